"""One module for each gateway: the gateway with its peer, as tests/gateways/rig.py asks for it."""
