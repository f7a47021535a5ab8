"""An emulator with a clock that a test moves, as the client's tests have it."""

from tests.client.conftest import Exact, exact  # noqa: F401 - a fixture
