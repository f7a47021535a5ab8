"""
What memory attaching a file to a document takes, and fetching it, beside holding the file as one would by hand.

Each number is the peak of a fresh interpreter, above what it needs for a file of a few bytes, against an emulator in a
process of its own (Linux only)::

    python benchmarks/attachment_memory.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from airflow_provider_exact.emulator.testing import EmulatorController, emulator_process

START = """
import base64, json, sys
from pathlib import Path
import requests
from airflow_provider_exact.client.client import ExactClient
from airflow_provider_exact.client.documents import download_attachment, upload_attachment
from airflow_provider_exact.client.site import Site
from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
url, division, token, document, path = json.loads(sys.argv[1])
client = ExactClient(Site(url), FixedTokenProvider(token), division=division)
headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "Prefer": "return=minimal"}
attachments = f"{url}/api/v1/{division}/documents/DocumentAttachments"
path = Path(path)
"""
# Not getrusage, whose peak includes the process that this one was started from.
END = "print(next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) / 1024)"
WAYS = {
    ("up", "piece by piece"): "upload_attachment(client, document, path)",
    ("up", "held"): """
body = {"Document": document, "FileName": path.name, "Attachment": base64.b64encode(path.read_bytes()).decode()}
requests.post(attachments, json=body, headers=headers, timeout=60).raise_for_status()
""",
    ("down", "piece by piece"): "download_attachment(client, path.with_suffix('.url').read_text(), path)",
    ("down", "held"): """
answer = requests.get(path.with_suffix('.url').read_text() + '&Download=1', headers=headers, timeout=60)
path.write_bytes(answer.content)
""",
}


def peak(code: str, emulator: EmulatorController, token: str, document: str, path: Path) -> float:
    """Return the most megabytes that an interpreter held that ran this code."""
    known = json.dumps([emulator.url, emulator.division, token, document, str(path)])
    script = "\n".join((START, code, END))
    done = subprocess.run([sys.executable, "-c", script, known], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=60, help="size of the file (60)")
    size = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory() as folder, emulator_process("--calls-per-minute", "1000") as emulator:
        token = emulator.sign_in()["access_token"]
        from airflow_provider_exact.client.auth.token_provider import FixedTokenProvider
        from airflow_provider_exact.client.client import ExactClient
        from airflow_provider_exact.client.documents import upload_attachment
        from airflow_provider_exact.client.site import Site

        client = ExactClient(Site(emulator.url), FixedTokenProvider(token), division=emulator.division)
        document = client.create_record("documents/Documents", {"Type": 55, "Subject": "Benchmark"})["ID"]
        files = {}
        for name, length in (("small", 9), ("large", size * 1_000_000)):
            files[name] = Path(folder) / f"{name}.bin"
            with files[name].open("wb") as file:
                file.truncate(length)
            made = upload_attachment(client, document, files[name])
            files[name].with_suffix(".url").write_text(made["Url"])
        found = {
            way: peak(code, emulator, token, document, files["large"])
            - peak(code, emulator, token, document, files["small"])
            for way, code in WAYS.items()
        }
    for direction in ("up", "down"):
        ours, held = found[direction, "piece by piece"], found[direction, "held"]
        # Less than the megabyte that the measurement wavers by counts as one.
        ratio = held / max(ours, 1.0)
        print(
            f"{size} MB {direction:5} piece by piece {ours:6.1f} MB   held {held:6.1f} MB   {ratio:4.0f} times as much"
        )


if __name__ == "__main__":
    main()
