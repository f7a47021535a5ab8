"""Files attached to documents, up and down, against the emulator and against a host that must not be called."""

from __future__ import annotations

import http.server
import threading
from types import SimpleNamespace
from uuid import uuid4

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_exact.client.errors import ExactRequestError, ExactResponseError, ExactTransportError
from airflow_provider_exact.hooks.exact_online import ExactOnlineHook
from airflow_provider_exact.operators.documents import (
    ExactOnlineDownloadAttachmentOperator,
    ExactOnlineUploadAttachmentOperator,
)
from tests.waiting import wait_in_no_time

ATTACHMENTS = "documents/DocumentAttachments"
FILE_PAGE = "docs/SysAttachment.aspx"
# Not a multiple of three, over several pieces, with every byte in it.
CONTENT = bytes(range(256)) * 1600 + b"z"


@pytest.fixture
def hook(connection):
    hook = ExactOnlineHook()
    # The client waits between its own attempts; here it does not.
    wait_in_no_time(hook.get_conn())
    return hook


@pytest.fixture
def document(hook):
    return hook.create_record("documents/Documents", {"Type": 55, "Subject": "Contract"})["ID"]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "contract é.bin"
    path.write_bytes(CONTENT)
    return path


def run(operator, **context):
    operator.render_template_fields(context)
    return operator.execute(context)


def test_a_file_goes_up_and_comes_back_as_it_was(connection, document, file, tmp_path):
    upload = ExactOnlineUploadAttachmentOperator(
        task_id="up", document="{{ params.document }}", path="{{ params.path }}"
    )
    made = run(upload, params={"document": document, "path": str(file)})
    assert (made["FileName"], made["FileSize"], made["Document"]) == (file.name, len(CONTENT), document)
    assert "Attachment" not in made

    download = ExactOnlineDownloadAttachmentOperator(task_id="down", attachment=made["ID"], path=str(tmp_path / "got"))
    got = run(download)
    assert got == {"path": str(tmp_path / "got"), "filename": file.name, "size": len(CONTENT)}
    assert (tmp_path / "got").read_bytes() == CONTENT
    page = connection.calls()[-1]
    assert (page["endpoint"], page["division"], page["query"].endswith("&Download=1")) == (
        FILE_PAGE,
        connection.division,
        True,
    )


@pytest.mark.parametrize("size", [1, 2, 3, 4, 192 * 1024, 192 * 1024 + 1])
def test_every_length_arrives_whole(hook, document, tmp_path, size):
    made = hook.upload_attachment(document, CONTENT[:size], "name.bin")
    got = hook.download_attachment(made, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == CONTENT[:size]
    assert got.size == size


# What Airflow 3.1 installs for paths says so of its own doing.
@pytest.mark.filterwarnings("ignore:in a future version of UPath:PendingDeprecationWarning")
def test_an_object_store_serves_as_well(hook, document):
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    attach("memory", fs=MemoryFileSystem())
    source = ObjectStoragePath("memory://files/in.bin")
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(CONTENT)
    made = hook.upload_attachment(document, "memory://files/in.bin")
    assert made["FileName"] == "in.bin"
    got = hook.download_attachment(made["ID"], "memory://files/out.bin")
    assert ObjectStoragePath("memory://files/out.bin").read_bytes() == CONTENT
    assert got.path.endswith("/files/out.bin")
    assert sorted(path.name for path in source.parent.iterdir()) == ["in.bin", "out.bin"]
    assert hook.download_attachment(made["ID"], "memory://files/").path.endswith("/files/in.bin")


def test_a_folder_takes_the_file_under_its_name_at_exact(hook, document, file, tmp_path):
    made = hook.upload_attachment(document, file, "../../Contract\\2026.pdf")
    assert hook.download_attachment(made, tmp_path).path == str(tmp_path / "2026.pdf")
    assert hook.download_attachment(made, f"{tmp_path}/new/").path == str(tmp_path / "new" / "2026.pdf")
    with pytest.raises(ExactRequestError, match="is a folder"):
        hook.download_attachment(made["Url"], tmp_path)
    assert hook.download_attachment(made["Url"], tmp_path / "by-address").size == len(CONTENT)


@pytest.mark.parametrize(
    ("content", "filename", "words"),
    [
        (b"", "x", "content: the content is empty"),
        (b"x", None, "filename: bytes have no name"),
        ("missing.pdf", None, "missing.pdf can't be read .No such file"),
        (17, None, "path: expected the path of a file, not 17"),
        ("", None, "path: expected the path of a file"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_the_call(connection, content, filename, words):
    with pytest.raises(ExactRequestError, match=words):
        ExactOnlineHook().upload_attachment(str(uuid4()), content, filename)
    assert connection.count(method="POST") == 0


def test_what_is_wrong_is_named_as_the_operators_argument_is(connection, tmp_path):
    upload = ExactOnlineUploadAttachmentOperator(task_id="up", document=str(uuid4()), path=str(tmp_path / "missing"))
    with pytest.raises(AirflowFailException, match="^path: .*can't be read"):
        run(upload)
    download = ExactOnlineDownloadAttachmentOperator(task_id="down", attachment="12", path=str(tmp_path / "got"))
    with pytest.raises(AirflowFailException, match="^attachment: expected a GUID"):
        run(download)
    assert connection.calls() == []


def test_an_attachment_that_is_not_there_fails_for_good(hook, tmp_path):
    down = ExactOnlineDownloadAttachmentOperator(task_id="down", attachment=str(uuid4()), path=str(tmp_path / "got"))
    with pytest.raises(AirflowFailException, match="404"):
        run(down)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argument", ["document", "path"])
def test_an_argument_that_renders_to_nothing_fails_before_a_call(connection, argument):
    given = {"document": str(uuid4()), "path": "x.pdf", argument: "{{ params.nothing }}"}
    with pytest.raises(AirflowFailException, match=argument):
        run(ExactOnlineUploadAttachmentOperator(task_id="up", **given), params={"nothing": None})
    assert connection.calls() == []
    with pytest.raises(ExactRequestError, match=argument):
        ExactOnlineUploadAttachmentOperator(task_id="up", **{**given, argument: ""})


# The network


def test_a_file_that_breaks_off_is_fetched_anew_and_nothing_half_is_left(hook, connection, document, file, tmp_path):
    made = hook.upload_attachment(document, file)
    target = tmp_path / "got" / "file"
    target.parent.mkdir()
    target.write_bytes(b"what was there")
    connection.fault("truncated", endpoint=FILE_PAGE, times=2)
    hook.download_attachment(made, target)
    assert connection.count(endpoint=FILE_PAGE) == 3
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_never_arrives_leaves_what_was_there(hook, connection, document, file, tmp_path):
    made = hook.upload_attachment(document, file)
    target = tmp_path / "got" / "file"
    target.parent.mkdir()
    target.write_bytes(b"what was there")
    connection.fault("truncated", endpoint=FILE_PAGE, times=0)
    with pytest.raises(ExactTransportError):
        hook.download_attachment(made, target)
    assert target.read_bytes() == b"what was there"
    assert list(target.parent.iterdir()) == [target]


def test_a_limit_is_waited_out_and_the_file_is_sent_whole_again(hook, connection, document, file, tmp_path):
    connection.fault("minute_limit", method="POST", endpoint=ATTACHMENTS)
    made = hook.upload_attachment(document, file)
    assert connection.count(method="POST", endpoint=ATTACHMENTS) == 2
    hook.download_attachment(made, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == CONTENT


def test_a_web_page_in_place_of_the_file_is_no_file(hook, connection, document, file, tmp_path):
    made = hook.upload_attachment(document, file)
    hook.get_conn().transport.inner.session.hooks["response"].append(as_a_page)
    with pytest.raises(ExactResponseError, match="web page came instead of the file"):
        hook.download_attachment(made, tmp_path / "got")
    assert not (tmp_path / "got").exists()
    assert hook.download_attachment({**made, "FileName": "page.html"}, tmp_path / "got").size == len(CONTENT)


def as_a_page(answer, **_):
    answer.headers["Content-Type"] = "text/html; charset=utf-8"


def test_an_upload_whose_answer_is_lost_fails_with_the_attachment_that_may_be_it(hook, connection, document, file):
    connection.fault("reset_after", method="POST", endpoint=ATTACHMENTS)
    with pytest.raises(ExactTransportError) as lost:
        hook.upload_attachment(document, file)
    [there] = hook.list_records(ATTACHMENTS, filter={"Document": document})
    assert lost.value.outcome_unknown
    assert there["ID"] in str(lost.value)
    assert connection.count(method="POST", endpoint=ATTACHMENTS) == 1


def test_an_upload_whose_answer_is_lost_is_found_by_what_is_unique(hook, connection, document, file):
    connection.fault("reset_after", method="POST", endpoint=ATTACHMENTS)
    upload = ExactOnlineUploadAttachmentOperator(
        task_id="up", document=document, path=str(file), verify=["Document", "FileName"]
    )
    upload.hook = hook
    made = run(upload)
    assert [row["ID"] for row in hook.list_records(ATTACHMENTS, filter={"Document": document})] == [made["ID"]]
    assert connection.count(method="POST", endpoint=ATTACHMENTS) == 1


def test_a_task_attaches_its_file_once_however_often_it_runs(hook, connection, document, file):
    kept = {}
    context = {"task_state_store": SimpleNamespace(get=kept.get, set=kept.__setitem__)}
    upload = ExactOnlineUploadAttachmentOperator(
        task_id="up", document=document, path=str(file), expected_division_name="Noorderlicht Techniek B.V."
    )
    upload.hook = hook
    made = [upload.execute(context) for _ in range(2)]
    assert made[0] == made[1]
    assert connection.count(method="POST", endpoint=ATTACHMENTS) == 1
    assert str(CONTENT[:10]) not in str(kept)
    upload.expected_division_name = "Another"
    with pytest.raises(AirflowFailException, match="expected_division_name"):
        upload.execute(context)


def test_an_upload_that_certainly_did_nothing_is_sent_again_whole(hook, connection, document, file, tmp_path):
    connection.fault("reset_before", method="POST", endpoint=ATTACHMENTS)
    made = hook.upload_attachment(document, file)
    assert connection.count(method="POST", endpoint=ATTACHMENTS) == 2
    assert hook.download_attachment(made, tmp_path / "got").size == len(CONTENT)


def test_a_file_that_changes_while_it_is_sent_is_not_attached(hook, connection, document, file, monkeypatch):
    from airflow_provider_exact.client.files import Source

    sizes = iter([len(CONTENT), len(CONTENT) - 5])
    monkeypatch.setattr(Source, "size", property(lambda self: next(sizes)))
    with pytest.raises(ExactRequestError, match="changed while it was sent"):
        hook.upload_attachment(document, file)
    assert list(hook.list_records(ATTACHMENTS, filter={"Document": document})) == []


# Where the token goes


@pytest.fixture
def foreign():
    """Start another host that writes down who calls it with what."""
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            received.append(self.headers.get("Authorization"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        # The interval is what a shutdown waits for.
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def test_a_file_on_another_host_is_not_fetched_and_the_token_stays_here(hook, connection, foreign, tmp_path):
    host, received = foreign
    own = connection.url.removeprefix("http://")
    for address in (
        f"http://{host}/file",
        f"http://{own}@{host}/file",
        f"http://{host}\\@{own}/file",
        f"//{host}/file",
    ):
        for attachment in (address, {"ID": str(uuid4()), "FileName": "x.pdf", "Url": address}):
            down = ExactOnlineDownloadAttachmentOperator(task_id="d", attachment=attachment, path=str(tmp_path / "got"))
            with pytest.raises(AirflowFailException, match="not on http://127.0.0.1"):
                run(down)
    assert received == []
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_to_another_host_is_not_followed(hook, connection, document, file, foreign, tmp_path):
    host, received = foreign
    made = hook.upload_attachment(document, file)
    connection.fault("redirect", endpoint=FILE_PAGE, host=host)
    with pytest.raises(ExactResponseError, match="redirect"):
        hook.download_attachment(made, tmp_path / "got")
    assert received == []
    assert not (tmp_path / "got").exists()
