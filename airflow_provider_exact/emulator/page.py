"""The pages that a person sees: signing in, allowing an app, and what is wrong with a request."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

from airflow_provider_exact.emulator.settings import USERS, bare_client_id
from airflow_provider_exact.emulator.state import Emulator

STYLE = """
:root { color-scheme: light dark; --page: #f2f4f7; --card: #fff; --text: #1c2430; --quiet: #5a6675; --line: #cfd6df;
  --accent: #b3141b; --on-accent: #fff; --warn: #8a1c1c; --warn-page: #fdecec; }
@media (prefers-color-scheme: dark) { :root { --page: #14181e; --card: #1e242c; --text: #e8edf3; --quiet: #a3afbd;
  --line: #3a4452; --accent: #e0565c; --on-accent: #14181e; --warn: #ffb4b4; --warn-page: #3b1f22; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 27rem; background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 2rem; }
h1 { font-size: 1.35rem; margin: 0 0 .25rem; }
p { margin: 0 0 1rem; color: var(--quiet); }
label { display: block; font-weight: 600; margin-bottom: .25rem; }
input:not([type=checkbox]) { width: 100%; font: inherit; padding: .55rem .7rem; margin-bottom: 1rem;
  border: 1px solid var(--line); border-radius: 8px; background: var(--page); color: var(--text); }
fieldset { border: 1px solid var(--line); border-radius: 8px; margin: 0 0 1.25rem; padding: .75rem 1rem; }
legend { font-weight: 600; padding: 0 .35rem; }
fieldset label { font-weight: 400; display: flex; gap: .6rem; align-items: baseline; margin: .2rem 0; }
.buttons { display: flex; gap: .75rem; }
button { flex: 1; font: inherit; font-weight: 600; padding: .6rem; border-radius: 8px; cursor: pointer;
  border: 1px solid var(--line); background: transparent; color: var(--text); }
button.allow { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.message { color: var(--warn); background: var(--warn-page); border-radius: 8px; padding: .6rem .8rem; }
.hint { font-size: .85rem; margin: 1.25rem 0 0; }
"""


def _page(title: str, content: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{content}</main></body></html>"
    )


def sign_in(emulator: Emulator, asked: dict[str, str], *, message: str = "") -> str:
    """
    Return the page on which a person signs in and allows or denies an app.

    :param asked: The parameters that the app sent; the form sends them along.
    """
    app = emulator.apps[bare_client_id(asked["client_id"])]
    boxes = "".join(
        f'<label><input type="checkbox" name="division" value="{info.code}" checked>'
        f"<span>{escape(info.name)} ({info.code})</span></label>"
        for info in emulator.divisions.values()
    )
    warning = f'<p class="message" role="alert">{escape(message)}</p>' if message else ""
    user = USERS[0]
    return _page(
        f"Sign in for {app.name}",
        f"<h1>{escape(app.name)} asks for access</h1>"
        "<p>Sign in to the Exact Online emulator and choose what the app may use on your behalf.</p>"
        f'{warning}<form method="post" action="?{escape(urlencode(asked))}">'
        '<label for="user_name">User name</label>'
        '<input id="user_name" name="user_name" autocomplete="username" autofocus>'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password">'
        f"<fieldset><legend>Divisions</legend>{boxes}</fieldset>"
        '<div class="buttons"><button class="allow" name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny">Deny</button></div></form>'
        f'<p class="hint">Demo user: <b>{escape(user.name)}</b>, password <b>{escape(user.password)}</b></p>',
    )


def problem(text: str) -> str:
    """Return the page that says why a request to sign in can't be served."""
    return _page("Sign-in not possible", f'<h1>Sign-in not possible</h1><p class="message">{escape(text)}</p>')
