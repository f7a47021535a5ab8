import re
import signal
import socket
import subprocess
import sys

import pytest
import requests

from airflow_provider_exact.emulator.cli import main
from airflow_provider_exact.emulator.testing import emulator_process, running_emulator

PATH = "project/TimeTransactions"
COMMAND = [sys.executable, "-m", "airflow_provider_exact.emulator"]


def first_page(emulator, path=PATH):
    token = emulator.sign_in()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    url = f"{emulator.url}/api/v1/{emulator.division}/{path}"
    return requests.get(url, headers=headers, timeout=60).json()["d"]["results"]


def without_addresses(rows):
    return [{name: value for name, value in row.items() if name != "__metadata"} for row in rows]


@pytest.mark.system
def test_a_process_serves_with_the_options_it_was_given():
    with emulator_process(
        "--calls-per-minute", "7", "--too-early-rotates", "--app", "id-2,secret-2,Second"
    ) as emulator:
        assert emulator.settings()["calls_per_minute"] == 7
        assert emulator.settings()["too_early_rotates"] is True
        assert set(emulator.sign_in(client_id="id-2")) >= {"access_token", "refresh_token"}


def test_two_emulators_of_one_seed_and_moment_hold_the_same_data():
    start = 1_772_000_000.0
    with running_emulator(start_at=start) as first, running_emulator(start_at=start) as second:
        # The order in which tables are first used must not matter.
        first_page(second, "salesorder/GoodsDeliveries")
        first_page(second, "crm/Contacts")
        assert without_addresses(first_page(first)) == without_addresses(first_page(second))
        path = "sync/Project/TimeCostTransactions"
        assert without_addresses(first_page(first, path)) == without_addresses(first_page(second, path))


def test_another_seed_holds_other_data():
    with running_emulator(start_at=1_772_000_000.0, seed=2, time_transactions=10) as emulator:
        assert len(first_page(emulator)) == 10
        other = first_page(emulator)[0]["ID"]
    with running_emulator(start_at=1_772_000_000.0, time_transactions=10) as emulator:
        assert first_page(emulator)[0]["ID"] != other


@pytest.mark.system
def test_a_busy_port_is_one_clear_sentence_and_exit_code_1():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([*COMMAND, "--port", str(port)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"port {port} on 127.0.0.1 can't be used" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.system
def test_the_start_message_tells_what_is_needed():
    with subprocess.Popen([*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        lines = "".join(process.stdout.readline() for _ in range(8))
        process.terminate()
    assert "http://127.0.0.1:" in lines
    assert "demo@example.test, password demo" in lines
    assert "client id" in lines
    assert "3100001 (Noorderlicht Techniek B.V.)" in lines


@pytest.mark.system
def test_ctrl_c_ends_it_without_a_word():
    command = [*COMMAND, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = re.search(r"http://\S+", process.stdout.readline())[0]
        # Answers only once its own handling of signals is in place.
        assert requests.get(f"{url}/_emulator/health", timeout=120).ok
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (0, "")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--host", "0.0.0.0"], "not a loopback address"),
        (["--host", "192.168.1.5"], "not a loopback address"),
        (["--host", "example.com"], "not a loopback address"),
        (["--calls-per-minute", "many"], "--calls-per-minute"),
        (["--calls-per-minute", "-1"], "calls_per_minute: must not be negative"),
        (["--zone", "Mars/Olympus"], "not a time zone"),
        (["--now", "tomorrow"], "--now"),
        (["--app", "only-an-id"], "--app"),
    ],
)
def test_a_wrong_option_is_named(capsys, options, text):
    with pytest.raises(SystemExit) as stopped:
        main(options)
    assert stopped.value.code == 2
    assert text in capsys.readouterr().err


def test_the_help_lists_every_setting(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "--refresh-grace-seconds" in shown
    assert "--no-single-use-refresh-tokens" in shown


@pytest.mark.system
def test_the_clock_can_start_at_any_moment():
    with emulator_process("--now", "2025-02-03T09:00:00") as emulator:
        assert 0 <= emulator.now() - 1_738_573_200 < 600


@pytest.mark.system
def test_the_emulator_knows_nothing_of_airflow():
    code = (
        "import sys; import airflow_provider_exact.emulator.server, airflow_provider_exact.emulator.testing; "
        "sys.exit(any(name.split('.')[0] == 'airflow' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0
