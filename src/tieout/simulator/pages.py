"""The sign-in pages as HTML: login, consent, and what to show when neither will do.

Plain forms without scripts, readable by eye, screen reader and program. Every text from outside is escaped here; what
a form means is `authorize`'s.
"""

from __future__ import annotations

from html import escape

from tieout.simulator.http import Response

_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}

_STYLE = """
:root { color-scheme: light; --ink: #1b2a33; --soft: #5b6b75; --line: #c9d3d9; --go: #00704a; --bad: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; background: #eef2f4; color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  display: flex; flex-direction: column; align-items: center; justify-content: center; padding: 24px 16px; }
main { width: 100%; max-width: 440px; background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 32px; box-shadow: 0 8px 28px rgba(27, 42, 51, .08); }
.mark { display: flex; align-items: center; gap: 10px; font-weight: 600; margin: 0 0 24px; }
.mark span { width: 12px; height: 28px; border-radius: 3px; background: var(--go); }
h1 { font-size: 23px; line-height: 1.25; margin: 0 0 8px; overflow-wrap: anywhere; }
p { margin: 0 0 16px; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
label { display: block; font-weight: 600; margin: 16px 0 6px; }
input { width: 100%; font: inherit; padding: 10px 12px; border: 1px solid #7d8c95; border-radius: 6px;
  color: inherit; background: #fff; }
.buttons { display: flex; gap: 12px; margin-top: 28px; }
button { flex: 1; font: inherit; font-weight: 600; padding: 11px 16px; border-radius: 6px; cursor: pointer;
  border: 1px solid var(--go); background: var(--go); color: #fff; }
button.plain { background: #fff; color: var(--ink); border-color: #7d8c95; }
input:focus-visible, button:focus-visible { outline: 3px solid #7cc7ff; outline-offset: 2px; }
.alert { border-left: 4px solid var(--bad); background: #fdf1f0; padding: 12px 14px; border-radius: 4px; }
.note { border-left: 4px solid #b86e00; background: #fff7e8; padding: 12px 14px; border-radius: 4px; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 6px 16px; margin: 20px 0; padding: 16px;
  background: #f6f8f9; border-radius: 6px; }
dt { color: var(--soft); } dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
ul { margin: 0 0 16px; padding-left: 22px; }
footer { margin-top: 20px; color: var(--soft); font-size: 13px; text-align: center; }
"""


class FaultError(Exception):
    """The browser can go nowhere; a page says what happened and whose move it is."""

    def __init__(self, title: str, text: str) -> None:
        super().__init__(text)
        self.title = title
        self.text = text


def login(*, action: str, ticket: str, application: str, company: str, user: str, mistake: str) -> Response:
    """The form `company`, `user`, `password`; 401 with the same form after a mistake."""
    alert = f'<p class="alert" role="alert" id="mistake">{escape(mistake)}</p>' if mistake else ""
    body = f"""<h1>Sign in to Sage Intacct</h1>
<p class="soft">to continue to <strong>{escape(application)}</strong></p>
{alert}
<form method="post" action="{escape(action)}">
{_ticket(ticket)}
{_field("company", "Company ID", company, "organization", focus=not company)}
{_field("user", "User ID", user, "username")}
{_field("password", "Password", "", "current-password", kind="password", focus=bool(company))}
<div class="buttons"><button type="submit">Sign in</button></div>
</form>"""
    return _page(401 if mistake else 200, "Sign in", body)


def consent(
    *,
    action: str,
    ticket: str,
    application: str,
    company: str,
    user: str,
    entity: str | None,
    offline: bool,
    hindrance: str,
    approves: bool,
) -> Response:
    """The form `decision`: `allow` or `deny`; only `deny` where there is a hindrance (403)."""
    name = f"<strong>{escape(application)}</strong>"
    asked = ["<li>read and change what you can read and change in this company</li>"]
    if offline:
        asked.append("<li>stay connected while you are not signed in</li>")
    note = ""
    if approves:
        note = (
            f'<p class="note">You are an administrator: allowing this also authorises {name} for the whole company.</p>'
        )
    inside = "All entities you may enter" if entity is None else entity
    facts = (("Application", application), ("Company", company), ("User", user), ("Entity", inside))
    rows = "\n".join(f"<dt>{name_}</dt><dd>{escape(value)}</dd>" for name_, value in facts)
    if hindrance:
        title, lead = "Access is not possible", f'<p class="alert" role="alert">{escape(hindrance)}</p>'
        buttons = (
            f'<button type="submit" name="decision" value="deny" class="plain">Return to {escape(application)}</button>'
        )
    else:
        title = f"Allow {escape(application)} to access {escape(company)}?"
        lead = f"<p>{name} asks to:</p>\n<ul>{''.join(asked)}</ul>\n{note}"
        buttons = (
            '<button type="submit" name="decision" value="deny" class="plain">Deny</button>\n'
            '<button type="submit" name="decision" value="allow">Allow</button>'
        )
    body = f"""<h1>{title}</h1>
{lead}
<dl>
{rows}
</dl>
<form method="post" action="{escape(action)}">
{_ticket(ticket)}
<div class="buttons">{buttons}</div>
</form>"""
    return _page(403 if hindrance else 200, "Allow access", body)


def fault(error: FaultError) -> Response:
    """400; nothing to fill in."""
    body = f'<h1>{escape(error.title)}</h1>\n<p class="alert" role="alert">{escape(error.text)}</p>'
    return _page(400, error.title, body)


def _page(status: int, title: str, body: str) -> Response:
    text = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} - Sage Intacct (simulated)</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<p class="mark"><span aria-hidden="true"></span>Sage Intacct simulator</p>
{body}
</main>
<footer>A simulated company on this machine. Nothing is sent to Sage.</footer>
</body>
</html>
"""
    return Response(status, dict(_HEADERS), text.encode(errors="replace"))


def _ticket(ticket: str) -> str:
    return f'<input type="hidden" name="ticket" value="{escape(ticket)}">'


def _field(name: str, label: str, value: str, fills: str, *, kind: str = "text", focus: bool = False) -> str:
    marks = " autofocus" if focus else ""
    return f"""<label for="{name}">{label}</label>
<input id="{name}" name="{name}" type="{kind}" value="{escape(value)}" required{marks}
 autocomplete="{fills}" autocapitalize="none" spellcheck="false">"""
