"""What the engine assumes about results, usage, prices and the prompt cache."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import msgspec

from core.api import result_schema
from core.api.result_schema import BadLineError
from core.api.usage_schema import read_usage
from core.money.pricing import REGION_PERCENT, prompt_tokens
from core.requests.cost_bounds import bounds_of
from core.requests.json_access import as_dict, as_str
from core.requests.model_limits import undated
from state.model.records import CollectedResult, Outcome
from state.model.usage import Usage
from titan_console.verify_api.evidence import Evidence
from titan_console.verify_api.fact import (
    Fact,
    Finding,
    held,
    not_held,
    not_reached,
    says_nothing,
    unknown,
    verdict,
)
from titan_console.verify_api.plan import LONG, READ, USAGE, WRITE

_NO_RESULTS = "no results yet"
# What the API itself adds to a prompt.
_OWN_TOKENS = 100
# A cache lives for an hour.
_SOON = timedelta(minutes=45)


def _ready(e: Evidence) -> Finding:
    names = [name for name in e.plan.batches if e.answer(e.results_step(name))]
    late = [name for name in names if e.answer(f"again {e.results_step(name)}")]
    if not names:
        return unknown(_NO_RESULTS)
    if late:
        error = e.error(e.results_step(late[0]))
        return not_held(str(error or f"no answer for {late[0]}"))
    return held(f"of {len(names)} batches")


def _complete(e: Evidence) -> Finding:
    found = [name for name in e.plan.batches if e.lines(name) is not None]
    for name in found:
        wanted = sorted(str(request["custom_id"]) for request in e.plan.batches[name])
        ids = sorted(filter(None, map(result_schema.custom_id_of, e.lines(name) or ())))
        if ids != wanted:
            return not_held(f"{len(ids)} results for {len(wanted)} requests of {name}")
    return held(f"{len(found)} batches") if found else unknown(_NO_RESULTS)


def _parsed(e: Evidence) -> Finding:
    count = 0
    for name in e.plan.batches:
        for line in e.lines(name) or ():
            try:
                result_schema.decode(line)
            except BadLineError as error:
                return not_held(f"a line of {name} is not a result: {error!s:.100}")
            count += 1
    answer = e.answer(e.results_step(USAGE))
    encoding = answer.headers.get("content-encoding", "none") if answer else "none"
    return held(f"{count} lines, encoding {encoding}") if count else unknown(_NO_RESULTS)


def _errors_nested(e: Evidence) -> Finding:
    errors = list(_raw_errors(e))
    if not errors:
        return unknown("no request was errored")
    is_nested = all(as_str(as_dict(error.get("error")).get("type")) for error in errors)
    return verdict(is_nested, f"in {len(errors)} errored requests")


def _raw_errors(e: Evidence) -> Iterator[dict[str, object]]:
    for line in e.lines(USAGE) or ():
        try:
            fields = as_dict(msgspec.json.decode(line))
        except msgspec.MsgspecError:
            continue
        result = as_dict(fields.get("result"))
        if result.get("type") == "errored":
            yield as_dict(result.get("error"))


def _error_types(e: Evidence) -> Finding:
    wanted = {
        "verify-unknown-field": "invalid_request_error",
        "verify-unknown-model": "not_found_error",
    }
    results = e.results(USAGE)
    found = {name: results[name] for name in wanted if name in results}
    if not found:
        return unknown(_NO_RESULTS)
    seen = ", ".join(
        f"{one.error_type or one.outcome}: {one.error_message}" for one in found.values()
    )
    return verdict(all(found[name].error_type == wanted[name] for name in found), seen)


def _model(e: Evidence) -> Finding:
    found = {one.model for one in _answers(e)}
    if not found:
        return unknown("no request succeeded")
    seen = ", ".join(sorted(model or "no model" for model in found))
    return verdict({undated(model or "") for model in found} == {undated(e.run.model)}, seen)


def _usage_fields(e: Evidence) -> Finding:
    usages = [one.usage for one in _answers(e) if one.usage]
    # The model has no part in it.
    bad = next((u.unknown for u in usages if u.unknown and "names no model" not in u.unknown), None)
    if bad:
        return not_held(bad)
    return held(f"in {len(usages)} answers") if usages else unknown("no request succeeded")


def _tier(e: Evidence) -> Finding:
    found = {one.usage.service_tier for one in _answers(e) if one.usage}
    if not found:
        return unknown("no request succeeded")
    return verdict(found == {"batch"}, ", ".join(sorted(map(str, found))))


def _region(e: Evidence) -> Finding:
    usages = {name: usage for name in ("plain", "us", "global") if (usage := _usage(e, name))}
    if "us" not in usages:
        refused = e.results(USAGE).get("verify-us")
        return unknown(refused.error_message or "no answer" if refused else _NO_RESULTS)
    seen = ", ".join(f"{name}: {usage.inference_geo}" for name, usage in usages.items())
    is_known = all(usage.inference_geo in REGION_PERCENT for usage in usages.values())
    return verdict(is_known and usages["us"].inference_geo == "us", seen)


def _bounded(e: Evidence) -> Finding:
    count = 0
    for name, requests in e.plan.batches.items():
        results = e.results(name)
        for request in requests:
            usage = _usage_of(results.get(str(request["custom_id"])))
            if usage is None:
                continue
            params = as_dict(request["params"])
            most = bounds_of(msgspec.json.encode(request), int(str(params["max_tokens"])))
            count += 1
            if prompt_tokens(usage) > most.input_tokens + _OWN_TOKENS:
                return not_held(f"{prompt_tokens(usage)} tokens of {most.input_tokens} bytes")
            if usage.output_tokens > most.output_tokens:
                return not_held(f"{usage.output_tokens} tokens of at most {most.output_tokens}")
    return held(f"in {count} answers") if count else unknown("no request succeeded")


def _within(e: Evidence) -> Finding:
    usages = _marked(e, WRITE, "verify-write-")
    if not usages:
        return unknown(_NO_RESULTS)
    read = sum(1 for usage in usages if usage.cache_read_tokens)
    return verdict(read == 0, f"{read} of {len(usages)} requests read what another one wrote")


def _across(e: Evidence) -> Finding:
    usages = _marked(e, READ, "verify-read-", but="verify-read-message")
    if not usages:
        return unknown(_NO_RESULTS)
    if e.at(f"create {READ}") > e.at(e.results_step(WRITE)) + _SOON:
        return unknown("the cache may have expired before the second batch")
    read = sum(1 for usage in usages if usage.cache_read_tokens)
    return verdict(read == len(usages), f"{read} of {len(usages)} requests read the cache")


def _after_message(e: Evidence) -> Finding:
    usages = _marked(e, READ, "verify-read-message")
    if not usages:
        return unknown(_NO_RESULTS)
    if e.at(f"create {READ}") > e.at("message") + _SOON:
        return unknown("the cache may have expired before the batch")
    seen = f"{usages[0].cache_read_tokens} tokens read"
    return verdict(usages[0].cache_read_tokens == 0, seen)


def _marked(e: Evidence, name: str, start: str, but: str = "-") -> list[Usage]:
    return [
        usage
        for custom_id, one in e.results(name).items()
        if custom_id.startswith(start) and custom_id != but and (usage := _usage_of(one))
    ]


def _long(e: Evidence) -> Finding:
    found = e.results(LONG).get("verify-long")
    error = e.error(f"create {LONG}")
    if error and says_nothing(error):
        return unknown(str(error))
    if error or (found and found.outcome == Outcome.ERRORED):
        return not_held(str(error or (found and found.error_message)))
    return unknown(_NO_RESULTS) if found is None else held(f"{found.outcome}")


def _message(e: Evidence) -> Finding:
    if found := not_reached(e, "message"):
        return found
    if error := e.error("message"):
        return unknown(str(error))
    answer = e.answer("message")
    try:
        message = msgspec.json.decode(answer.raw if answer else b"", type=result_schema.Message)
    except msgspec.MsgspecError as problem:
        return not_held(f"not a message: {problem!s:.100}")
    usage = read_usage(message.usage, message.model)
    if usage.unknown:
        return not_held(usage.unknown)
    return verdict(usage.service_tier in (None, "standard"), f"service_tier {usage.service_tier}")


def _answers(e: Evidence) -> list[CollectedResult]:
    return [one for one in e.all_results() if one.outcome == Outcome.SUCCEEDED]


def _usage(e: Evidence, name: str) -> Usage | None:
    return _usage_of(e.results(USAGE).get(f"verify-{name}"))


def _usage_of(result: CollectedResult | None) -> Usage | None:
    return result.usage if result and result.outcome == Outcome.SUCCEEDED else None


def _never(why: str, _e: Evidence) -> Finding:
    return unknown(why)


_UNPRICED = "The answer is kept and delivered; its cost is unknown, and named in `savings`."

ANSWER_FACTS = (
    Fact(
        "results_ready",
        "The results of a batch can be read once it has ended.",
        "The engine tries again at each poll.",
        _ready,
    ),
    Fact(
        "results_complete",
        "Results have each request exactly once, under the custom_id that was sent.",
        "A missing result is asked for in five polls, then the request gets the outcome missing.",
        _complete,
    ),
    Fact(
        "results_lines",
        "Each line of the results is one JSON object of a known form.",
        "A line that cannot be parsed is kept in batch-results/*.rejected and reported.",
        _parsed,
    ),
    Fact(
        "errors_nested",
        "The error of a request is nested: its type is in result.error.error.",
        "The engine reads either form.",
        _errors_nested,
    ),
    Fact(
        "error_types",
        "A request that is invalid has invalid_request_error, an unknown model not_found_error.",
        "The type decides whether `replay` runs a request again without an edit.",
        _error_types,
    ),
    Fact(
        "answer_model",
        "An answer names the model that was asked for, with a date or without.",
        "An answer is priced by the model that it names; one without a price is unpriced.",
        _model,
    ),
    Fact(
        "usage_fields",
        "The usage has no field that the engine does not know.",
        _UNPRICED,
        _usage_fields,
    ),
    Fact("usage_tier", "The service tier of each answer is batch.", _UNPRICED, _tier),
    Fact(
        "usage_region",
        "The usage names the region that a request asks for, and no unknown one.",
        "Cost follows the usage: a request for the region us that does not say so is counted 10 %"
        " too low.",
        _region,
    ),
    Fact(
        "tokens_bounded",
        "A prompt has at most one token a byte, an answer at most max_tokens.",
        "Budgets and the maximum cost in previews depend on it: set budgets lower.",
        _bounded,
    ),
    Fact(
        "cache_within_batch",
        "Requests of one batch do not read what others of it write to the cache.",
        "The engine measures each batch (`savings --cache`); priming a prefix gains less.",
        _within,
    ),
    Fact(
        "cache_across_batches",
        "Requests read what an earlier batch wrote to the cache.",
        "Priming stops for a workflow where two submissions cost more than without a cache.",
        _across,
    ),
    Fact(
        "cache_after_message",
        "Requests of a batch do not read what a Messages call wrote to the cache.",
        "The engine primes with a batch of one request; a Messages call would do.",
        _after_message,
    ),
    Fact(
        "extended_output",
        "With its beta header, a batch takes max_tokens of 300,000.",
        "The request is errored, and not charged.",
        _long,
    ),
    Fact(
        "message_usage",
        "The usage of a Messages call has no unknown field, and the tier standard.",
        _UNPRICED,
        _message,
    ),
    Fact(
        "queue_full",
        "A 429 for a full queue says so, and concerns the whole create.",
        "Without the word queue, nothing is sent for a minute instead of until a batch has ended.",
        partial(_never, "it would take 200,000 requests in the queue"),
    ),
    Fact(
        "spend_limit",
        "A spend limit, and a lack of credit, are recognized.",
        "Any 4xx that is not about the batch holds all sending for 15 minutes.",
        partial(_never, "it would take an account without credit"),
    ),
    Fact(
        "expired_requests",
        "Requests that did not run within 24 hours are expired, and not charged.",
        "They can be replayed.",
        partial(_never, "it would take a batch that lasts 24 hours"),
    ),
    Fact(
        "largest_body",
        "A create of 250,000,000 bytes is accepted.",
        "After a 413 the batch is split in two.",
        partial(_never, "it would take an upload of 250 MB"),
    ),
)
