"""`--rig`: the contract suite for a gateway from outside."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rig",
        action="append",
        default=[],
        metavar="MODULE",
        help="run test_contract.py against the rig in this module instead of those of tests/gateways/rigs/",
    )
