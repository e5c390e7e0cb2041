"""What an S3 server's answers mean, and what to do about those that say no."""

from __future__ import annotations

from botocore import exceptions

from bao_cache_fsspec.troubles import StoreError
from bao_core.errors import BaoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bao_cache_fsspec.place import Place

_WHO = frozenset(
    (
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidSecurity",
        "InvalidToken",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    )
)
_MAY_NOT = frozenset(("AccessDenied", "AllAccessDisabled", "403"))
_CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile in ~/.aws"


def code_of(error: BaseException) -> str:
    """The server's word for what is wrong; empty where it said nothing."""
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""


def is_missing_object(error: BaseException) -> bool:
    """Whether an object is not there, and no more than that."""
    return code_of(error) in {"NoSuchKey", "404", ""}


def explained(error: Exception, place: Place) -> Exception:
    """A failed request, in words for those who can do something about it."""
    if isinstance(error, BaoError):
        return error
    code, where = code_of(error), place.url
    said = " ".join(str(error).split())
    hint = None
    if code == "NoSuchBucket":
        what = f"there is no bucket '{place.path}' for {where}"
        hint = "make it, or name another in `url` or BAO_S3_BUCKET"
    elif code in _WHO:
        what = f"{where} refuses the credentials ({code}: {said})"
        hint = f"check {_CREDENTIALS}"
    elif code in _MAY_NOT:
        what = f"{where} does not allow this to these credentials ({said or code})"
        hint = (
            "they need s3:GetObject, s3:ListBucket (without it S3 refuses to say that an object is "
            "not there), and s3:PutObject and s3:DeleteObject where results are written"
        )
    elif isinstance(error, exceptions.NoCredentialsError):
        what = f"there are no credentials for {where}"
        hint = f"set {_CREDENTIALS}, or `anonymous = true` for a public bucket"
    elif isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        what = f"{where} cannot be reached ({said})"
    elif isinstance(error, exceptions.BotoCoreError) or isinstance(
        error.__cause__, exceptions.ClientError
    ):
        what = f"{where} failed ({code or type(error).__name__}: {said})"
    else:
        return error
    return StoreError(what, hint=hint)
