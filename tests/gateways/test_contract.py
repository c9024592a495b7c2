"""One contract for every gateway: what it promises is asked of each, against its peer on the loopback.

    pytest tests/gateways/test_contract.py                         the gateways of this product
    pytest tests/gateways/test_contract.py --rig my_package.rig    a gateway from outside, with a rig of its own

tests/gateways/rig.py says what a rig is, tests/gateways/promises/ what is asked.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.gateways import promises
from tests.gateways.case_files import AnswerCase, InwardCase
from tests.gateways.promises import recorded
from tests.gateways.rig_modules import RigModule, rig_modules
from tests.gateways.trial import Trial, on_trial


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test runs for each rig, and those of recorded cases for each case of it."""
    modules = list(rig_modules(*metafunc.config.getoption("--rig", default=[])))
    if "case" in metafunc.fixturenames:
        answers = "answer" in metafunc.function.__name__
        found = [
            pytest.param(module, case, id=f"{module.short_name}: {case.name}")
            for module in modules
            for case in (module.cases().answers if answers else module.cases().inward)
        ]
        metafunc.parametrize(("module", "case"), found or [pytest.param(modules[0], None, id="no case is recorded")])
    else:
        metafunc.parametrize("module", [pytest.param(module, id=module.short_name) for module in modules])


@pytest.fixture
def trial(module: RigModule, request: pytest.FixtureRequest) -> Iterator[Trial]:
    """The gateway, with a fresh peer. When the test ends, nothing that the gateway said may hold a secret."""
    for name in module.fixtures:
        request.getfixturevalue(name)
    with on_trial(module) as made:
        yield made


@pytest.mark.parametrize("promise", promises.OF_A_GATEWAY, ids=lambda promise: promise.__name__)
def test_a_gateway_keeps_its_promises(trial: Trial, promise: Callable[[Trial], None]) -> None:
    promise(trial)


@pytest.mark.parametrize("promise", promises.OF_A_CLASS, ids=lambda promise: promise.__name__)
def test_a_gateway_is_made_as_it_must_be(module: RigModule, promise: Callable[[RigModule], None]) -> None:
    promise(module)


def test_a_recorded_answer_gives_its_outcome(trial: Trial, case: AnswerCase | None) -> None:
    if case is not None:
        recorded.an_answer_gives_its_outcome(trial, case)


def test_what_the_peer_said_gives_its_events(trial: Trial, case: InwardCase | None) -> None:
    if case is not None:
        recorded.what_the_peer_says_gives_its_events(trial, case)
