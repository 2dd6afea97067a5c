"""Problem details (RFC 9457) from the error tree: a table of statuses, a member for each field.

What the caller can mend is told in full. Of what failed inside, only whether it is in doubt; the
rest goes to the log.
"""

import logging
import re
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from examples.api.wire import plain
from monochat_billing import errors

_STATUS: Final[dict[type, int]] = {
    errors.UnknownName: 404,
    errors.InvalidInput: 422,
    errors.InsufficientFunds: 402,
    errors.Rejected: 409,
    errors.InfrastructureError: 503,
    **dict.fromkeys((errors.ForgedCallback, errors.LimitExceeded), 403),
    **dict.fromkeys((errors.CorruptBooks, errors.SchemaMismatch, errors.StorageMisuse), 500),
}
_MEDIA_TYPE: Final = "application/problem+json"
_SCHEMA: Final = {"type": "object", "required": ["type", "title", "status", "detail"]}
_DOUBT: Final = "in doubt, repeat with the same key"


def _documented(status: int) -> dict[str, Any]:
    """Tell of a status which errors it stands for, with an example, for OpenAPI."""
    kinds = [kind for kind, one in _STATUS.items() if one == status]
    phrase = HTTPStatus(status).phrase
    said = " ".join(f"{one.__doc__}".partition("\n")[0] for one in kinds) or phrase
    name = kinds[0].__name__ if kinds else phrase.title().replace(" ", "")
    content = {"schema": _SCHEMA, "example": _told(name, status, said)}
    return {"description": said, "content": {_MEDIA_TYPE: content}}


def _told(name: str, status: int, detail: str) -> dict[str, Any]:
    slug = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
    told = {"title": slug.replace("-", " ").capitalize(), "status": status, "detail": detail}
    return {"type": f"urn:monochat-billing:{slug}", **told}


def _problem(name: str, status: int, detail: str, headers: Any = None, **more: Any) -> JSONResponse:  # noqa: ANN401 - members of any kind
    return JSONResponse({**more, **_told(name, status, detail)}, status, headers, _MEDIA_TYPE)


PROBLEMS: Final[Any] = {one: _documented(one) for one in sorted({400, 412, *_STATUS.values()})}
"""What every operation may answer beside its result, for OpenAPI."""


def answer(request: Request, error: Exception) -> JSONResponse:
    """Answer any error with a problem: the library's by the nearest kind in the table."""
    name = type(error).__name__
    if isinstance(error, errors.BillingError):
        status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
        if not isinstance(error, errors.InfrastructureError):
            return _problem(name, status, str(error), **plain(error))
        logging.getLogger(__name__).error("%s: %s", name, error)
        doubt = status != 500 and not isinstance(error, errors.StoreBusy | errors.StoreUnreachable)  # noqa: PLR2004 - as in the table
        detail = _DOUBT if doubt else "nothing was written"
        return _problem(name, status, detail, {"Retry-After": "1"}, in_doubt=doubt)
    if isinstance(error, RequestValidationError):  # the first mistake, as InvalidInput tells it
        first = error.errors()[0]
        field, absent = ".".join(map(str, first["loc"][1:])), first["type"] == "missing"
        value, remedy = None if absent else str(first["input"]), "send it as /openapi.json says"
        wrong = errors.InvalidInput(field, value, first["msg"], remedy)
        status = 400 if absent and first["loc"][0] == "header" else 422  # 400: without a key
        return _problem("InvalidInput", status, str(wrong), **plain(wrong))
    if not isinstance(error, HTTPException):
        return _problem("InternalServerError", 500, _DOUBT, in_doubt=True)
    name = HTTPStatus(error.status_code).phrase.title().replace(" ", "")
    spot, headers = re.compile(r"\{\w+\}"), dict(error.headers or {})
    for path, how in request.app.openapi()["paths"].items() if "Allow" in headers else ():
        if re.fullmatch(spot.sub("[^/]+", path), request.url.path):  # all methods, not one route's
            headers["Allow"] = ", ".join(sorted(how)).upper()
    return _problem(name, error.status_code, str(error.detail), headers)
