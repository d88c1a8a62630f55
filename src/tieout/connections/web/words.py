"""What the connect page says when something went wrong, as an accountant reads it: what happened, what to do, who.

By the reasons of `SignInError` and the page's own. The words hold nothing that a browser or Sage sent.
"""

from __future__ import annotations

import msgspec

from tieout.connections.examining.menus import CLIENTS

YOU = "You can do this."
ADMIN = "An administrator of your Sage Intacct company does this."
SUPPORT = "The support of {product} does this."


class Words(msgspec.Struct, frozen=True):
    """`{product}`, `{user}` and `{company}` are filled in."""

    title: str
    text: str
    todo: str
    who: str


_AGAIN = "Start again and sign in within half an hour."

FAILURES: dict[str, Words] = {
    "denied": Words(
        "The access was not allowed",
        "On Sage’s page the access was denied, so nothing was connected and nothing was changed.",
        f"Start again and choose Allow. If Sage offers only Deny, an administrator first has to authorise {{product}} "
        f"in Sage Intacct under {CLIENTS}.",
        YOU,
    ),
    "company_not_authorised": Words(
        "Your company has not authorised {product} yet",
        "Sage Intacct lets an application in only after an administrator of the company has put it on its list.",
        f"Ask an administrator to add {{product}} in Sage Intacct under {CLIENTS}. Then start again.",
        ADMIN,
    ),
    "expired": Words(
        "It took too long",
        "For your safety a sign-in that was begun here has to be finished within half an hour.",
        _AGAIN,
        YOU,
    ),
    "used": Words(
        "This answer from Sage was used already",
        "The page that Sage sent you back to works once. Perhaps the browser’s Back or Reload button was used.",
        "Look in {product} whether the connection is there. If not, start again.",
        YOU,
    ),
    "unknown_state": Words(
        "This is not the sign-in that this browser began",
        "Sage sent this browser back with an answer that belongs to another sign-in. For your safety it was not used. "
        "This happens when a link was opened in one browser and finished in another.",
        "Start again, and stay in this browser until the end. If you did not begin a sign-in at all, close this page.",
        YOU,
    ),
    "wrong_company": Words(
        "That was another company",
        "The company you signed in to is not the one that is to be connected. Nothing there was touched, and what is "
        "connected already goes on.",
        "Start again and sign in to {company}. If you really want the other company, begin a new connection in "
        "{product}.",
        YOU,
    ),
    "wrong_user": Words(
        "That was another Sage user",
        "You said that {user} would sign in, but somebody else did. Often the browser was still signed in at Sage. "
        "Nothing was disconnected; only this connection is still missing.",
        "Sign out of Sage Intacct, then start again and sign in as {user}, or start again and name the user you want.",
        YOU,
    ),
    "other_owner": Words(
        "This Sage user serves another account",
        "The Sage user who signed in already works for another account of {product}. One Sage user can serve one "
        "account only: a second sign-in would end the first.",
        "Start again with another Sage user, best one that is made for {product} alone.",
        YOU,
    ),
    "no_refresh_token": Words(
        "Sage did not allow a lasting connection",
        "The sign-in worked, but Sage gave access for a few hours only. A connection that ends by itself is of no use, "
        "so it was not kept.",
        "Start again. If this page comes back, tell the support of {product}: “no refresh token”.",
        SUPPORT,
    ),
    "wrong_redirect": Words(
        "Sage sent you back to the wrong address",
        "The address of this page and the one registered at Sage are not the same.",
        "Tell the support of {product}: “wrong redirect URI”. There is nothing you can mend yourself.",
        SUPPORT,
    ),
    "client_refused": Words(
        "Sage does not accept {product} itself",
        "Sage refuses the credentials of the application. Your own sign-in was fine.",
        "Tell the support of {product}: “client refused”. There is nothing you can mend yourself.",
        SUPPORT,
    ),
    "code_refused": Words(
        "Sage took its answer back",
        "Sage refused the one-time code it had just given. Perhaps the page lay open too long, or Sage had a hiccup.",
        _AGAIN,
        YOU,
    ),
    "unreachable": Words(
        "Sage Intacct did not answer",
        "You signed in, but Sage gave no answer when the connection was to be made. The one-time code is used up.",
        "Wait a few minutes and start again. Sage’s status page says whether something is wrong.",
        YOU,
    ),
    "bad_answer": Words(
        "Sage’s answer could not be read",
        "What came back from Sage is not what was expected, so nothing was connected.",
        "Start again. If this page comes back, tell the support of {product}: “bad answer”.",
        YOU,
    ),
    "cut_off": Words(
        "The connection was interrupted",
        "Something broke off while the connection was made, and it is not certain that it is there.",
        "Look in {product} whether the connection works. If not, start again.",
        YOU,
    ),
    "not_listed": Words(
        "The entities could not be read",
        "The connection was made, at the top level. The Sage user may not list the company’s entities.",
        "An administrator can let the user list entities in Sage Intacct under Company > Admin > Users.",
        ADMIN,
    ),
}

REFUSALS: dict[str, Words] = {
    "link_unknown": Words(
        "This link is not known",
        "Perhaps it was cut when it was copied or sent.",
        "Open the whole link again, or ask whoever sent it for a new one.",
        YOU,
    ),
    "link_used": Words(
        "This link was used already",
        "A link connects one company, once. It was opened and continued before, perhaps by you.",
        "If the connection is not there, ask whoever sent the link for a new one.",
        YOU,
    ),
    "link_expired": Words(
        "This link has expired",
        "For your safety links work for a limited time only.",
        "Ask whoever sent it for a new one.",
        YOU,
    ),
    "session_expired": Words(
        "That took a little too long",
        "The way here from {product} is open for 15 minutes.",
        "Go back to {product} and begin again.",
        YOU,
    ),
    "session_ended": Words(
        "This account was closed",
        "{product} ended the account that this page was opened for, after you had set out.",
        "If it was opened again since, go back to {product} and begin again.",
        YOU,
    ),
    "session_used": Words(
        "This page was opened before",
        "Each start from {product} opens this page once.",
        "Go back to {product} and begin again.",
        YOU,
    ),
    "session_forged": Words(
        "This page has to be opened from {product}",
        "The address it was opened with is not valid.",
        "Go to {product} and begin there.",
        YOU,
    ),
    "lost": Words(
        "This browser is not connecting anything",
        "Either the hour is over, or the browser keeps no cookies, or this is another browser than the one you began "
        "in.",
        "Go back to {product}, or open your link again, and stay in one browser until the end.",
        YOU,
    ),
    "form": Words(
        "This form is out of date",
        "The page was opened anew elsewhere, in another tab perhaps.",
        "Go on in the newest tab, or go back to {product} and begin again.",
        YOU,
    ),
    "too_often": Words(
        "That was too often",
        "This browser went to Sage ten times from here without an end. The last sign-in there still counts.",
        "Finish it where Sage’s page is open, or go back to {product} and begin again.",
        YOU,
    ),
    "setup": Words(
        "This page is not set up right",
        "Something is missing on the side of {product}. You did nothing wrong, and nothing was connected.",
        "Tell the support of {product} that the connect page is not set up right.",
        SUPPORT,
    ),
    "missing": Words("There is no such page", "The address is not one of this page’s.", "Go back to {product}.", YOU),
    "broken": Words(
        "Something went wrong here",
        "This page made a mistake. It is written down where the support of {product} finds it.",
        "Wait a moment and try again.",
        SUPPORT,
    ),
}


def said(words: Words, *, product: str, user: str = "", company: str = "") -> dict[str, str]:
    """The words with what belongs in them: title, text, todo, who."""
    filled = {
        "product": product,
        "user": f"“{user}”" if user else "the user you named",
        "company": f"“{company}”" if company else "the company that was named",
    }
    return {name: str(value).format(**filled) for name, value in msgspec.structs.asdict(words).items()}
