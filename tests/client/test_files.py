"""Bodies with files in them: their length is known, they can be sent twice, and memory does not grow with them."""

from __future__ import annotations

import base64
import json
import tracemalloc

import pytest

from airflow_provider_exact.client.errors import ExactRequestError
from airflow_provider_exact.client.files import FileBody, Source, json_body, safe_name, written


def test_a_record_with_files_is_the_json_it_would_be_without_streaming(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(256)) * 1000)
    record = {"A": Source(tmp_path / "a"), "Name": 'é"?', "Lines": [{"B": Source(b"12345")}], "C": None}
    body = json_body(record)
    for _ in range(2):
        sent = b"".join(body)
        assert len(sent) == len(body)
        read = json.loads(sent)
        assert base64.b64decode(read["A"]) == bytes(range(256)) * 1000
        assert (read["Name"], base64.b64decode(read["Lines"][0]["B"]), read["C"]) == ('é"?', b"12345", None)


def test_a_file_of_any_size_takes_little_memory(tmp_path):
    size = 40_000_000
    with (tmp_path / "big").open("wb") as file:
        file.truncate(size)
    body = json_body({"A": Source(tmp_path / "big")})
    tracemalloc.start()
    sent = sum(len(piece) for piece in body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent == len(body) > size * 4 / 3
    assert peak < 2_000_000


def test_a_file_sent_as_it_is_keeps_its_bytes(tmp_path):
    body = FileBody((b"<", (Source(b"abcde"), 5), b">"), as_base64=False)
    assert (b"".join(body), len(body)) == (b"<abcde>", 7)


@pytest.mark.parametrize("announced", [4, 6])
def test_a_file_of_another_length_than_announced_ends_the_body_early(announced):
    with pytest.raises(ExactRequestError, match="changed while it was sent"):
        b"".join(FileBody(((Source(b"abcde"), announced),)))


def test_a_file_that_cannot_be_read_is_no_failure_of_the_network(tmp_path):
    source = Source(tmp_path / "gone")
    with pytest.raises(ExactRequestError, match="gone can't be read to its end"):
        b"".join(FileBody(((source, 1),)))


def test_a_file_shows_itself_when_it_is_whole(tmp_path):
    target = tmp_path / "file"

    def write_half():
        with written(target) as file:
            file.write(b"half")
            assert not target.exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert list(tmp_path.iterdir()) == []
    for content in (b"whole", b"new"):
        with written(target) as file:
            file.write(content)
        assert target.read_bytes() == content
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\report.pdf", "report.pdf"),
        ("a\x00b\n.pdf", "ab.pdf"),
        ("Überweisung é.pdf", "Überweisung é.pdf"),
        ("..", "otherwise"),
        ("x/", "otherwise"),
        ("", "otherwise"),
        (None, "otherwise"),
    ],
)
def test_a_name_from_a_server_stays_in_its_folder(given, made):
    assert safe_name(given, "otherwise") == made
