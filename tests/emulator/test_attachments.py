"""The files of attachments: where they are, who gets them, and what is not there."""

from __future__ import annotations

import base64

import pytest

ATTACHMENTS = "documents/DocumentAttachments"


def test_a_seeded_attachment_has_a_file_of_the_size_it_tells(exact):
    row = next(row for row in exact.rows(ATTACHMENTS) if row["FileName"] == "bijlage-1.txt")
    answer = exact.get(f"{row['Url']}&Download=1")
    assert answer.content.startswith(b"Bijlage 1 van ")
    assert (len(answer.content), answer.headers["Content-Type"]) == (row["FileSize"], "application/octet-stream")
    assert "bijlage-1.txt" in answer.headers["Content-Disposition"]
    assert row["Attachment"] is None
    assert "X-RateLimit-Remaining" in answer.headers


def test_an_attached_file_is_shown_by_its_address_in_every_view(exact):
    document = exact.rows("documents/Documents", top="1")[0]["ID"]
    content = base64.b64encode(b"\x00\xff").decode()
    body = {"Document": document, "FileName": "a b.bin", "Attachment": content}
    made = exact.post(ATTACHMENTS, body).json()["d"]
    assert made["FileSize"] == 2
    assert made["Url"].startswith(f"{exact.emulator.url}/docs/")
    for path in ("sync/Documents/DocumentAttachments", "bulk/Documents/DocumentAttachments"):
        rows = exact.rows(path, select="ID,Url")
        assert made["Url"] in [row["Url"] for row in rows if row["ID"] == made["ID"]]
    assert exact.get(f"{made['Url']}&Download=1").content == b"\x00\xff"
    assert exact.put(made["__metadata"]["uri"], {"FileName": "c"}).status_code == 405


def test_without_download_the_address_is_a_page(exact):
    answer = exact.get(exact.rows(ATTACHMENTS)[0]["Url"])
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda url: url.partition("&")[0], 400),
        (lambda url: url.replace("ID=", "ID=0"), 404),
        (lambda url: url.replace("SysAttachment", "SysOther"), 404),
        (lambda url: url.replace("3100001", "1"), 403),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(exact, change, status):
    url = f"{exact.rows(ATTACHMENTS)[0]['Url']}&Download=1"
    assert exact.get(change(url)).status_code == status
    assert exact.call("POST", url).status_code == 405


def test_a_file_needs_a_token_and_the_scope_of_documents(exact, sign_in):
    import requests

    url = f"{exact.rows(ATTACHMENTS)[0]['Url']}&Download=1"
    assert requests.get(url, timeout=60).status_code == 401
    exact.emulator.register_app("{narrow}", "s", "Narrow", scopes={"projects billing": "manage"})
    assert sign_in(client_id="{narrow}").get(url).status_code == 403


def test_a_file_counts_towards_the_limits_of_its_division(exact):
    url = f"{exact.rows(ATTACHMENTS)[0]['Url']}&Download=1"
    before = int(exact.get(url).headers["X-RateLimit-Remaining"])
    assert int(exact.get(url).headers["X-RateLimit-Remaining"]) == before - 1
    assert exact.emulator.calls()[-1]["division"] == exact.division
