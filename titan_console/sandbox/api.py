"""The emulator as a state machine: a request in, an answer out, time from a clock."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from threading import RLock

import msgspec

from core.clock import Clock
from titan_console.sandbox.answers.billing_log import BilledRow, BillingLog, Post, billed_batch
from titan_console.sandbox.answers.messages import message_response
from titan_console.sandbox.answers.results import message, results_response, usage
from titan_console.sandbox.answers.texts import compose
from titan_console.sandbox.call import Call, Route, find_route
from titan_console.sandbox.faults.profile import Fault, Faults, Stage
from titan_console.sandbox.faults.responses import corrupt_response, early_response, no_response
from titan_console.sandbox.model.accelerated_clock import AcceleratedClock
from titan_console.sandbox.model.http_messages import (
    BodyTooLargeError,
    ErrorResponse,
    HttpRequest,
    HttpResponse,
    common_headers,
    error_response,
    json_response,
    too_large_response,
)
from titan_console.sandbox.model.ids import make_id
from titan_console.sandbox.model.lifecycle import Batch, describe
from titan_console.sandbox.model.prompt_cache import PromptCache
from titan_console.sandbox.model.provider import Limits, Provider, RateLimiter
from titan_console.sandbox.model.rows import Rows
from titan_console.sandbox.model.timing import Plan
from titan_console.sandbox.rules.access import DEFAULT_WORKSPACE, Access, read_call_options
from titan_console.sandbox.rules.create import (
    MAX_BODY,
    MAX_MESSAGE_BODY,
    read_create,
    read_custom_ids,
    read_object,
)
from titan_console.sandbox.rules.listing import page
from titan_console.sandbox.rules.models_list import model_info, model_list
from titan_console.sandbox.rules.row_builder import RowBuilder, sync_row, token_count
from titan_console.sandbox.rules.rows import SAMPLING_REMOVED, CallOptions

_POLL_AGAIN = {"retry-after": "10"}


class Sandbox:
    """The Message Batches API as a client sees it."""

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 0,
        plan: Plan | None = None,
        faults: Faults | None = None,
        limits: Limits | None = None,
        keys: Mapping[str, str] | None = None,
        cache: PromptCache | None = None,
    ) -> None:
        """Start empty; `keys` maps API keys to workspace names, None accepts any key."""
        self.clock = clock
        # The provider's clock is monotonic, whatever happens to this machine's time of day.
        self._time = AcceleratedClock(clock)
        self.seed = seed
        self.plan = plan or Plan.instant()
        self.faults = faults or Faults(seed=seed)
        self._cache = cache or PromptCache(seed=seed)
        limits = limits or Limits()
        self._access = Access(keys, seed)
        self._provider = Provider(seed, limits)
        self._rate_limiter = RateLimiter(limits, clock.now())
        self._posts: list[Post] = []
        self._messages: list[BilledRow] = []
        self._calls = 0
        self._lock = RLock()

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one call; safe to use from several threads."""
        request_id = self._next_request_id()
        try:
            route = find_route(request)
            with self._lock:
                fault = self.faults.pick(route.call, route.batch_id)
            if fault and fault.stage is Stage.BEFORE:
                return self._answer_early(request, route, fault, request_id)
            answer = self._answer(request, route, fault, request_id)
            if fault and fault.stage is Stage.AFTER:
                answer = self._corrupt(request, fault, answer, request_id)
        except BodyTooLargeError:
            return too_large_response()
        except ErrorResponse as error:
            return error_response(error, request_id, common_headers(request_id))
        return answer

    def end(self, batch_id: str, outcomes: Mapping[str, str] | None = None) -> None:
        """End a batch now; `outcomes` forces what becomes of some custom_ids."""
        with self._lock:
            self._provider.end(batch_id, self._time.now(), outcomes or {})

    def vanish(self, batch_id: str, *, seconds: float = 0.0) -> None:
        """Answer 404 for a batch and do not list it, for some seconds or always."""
        with self._lock:
            now = self._time.now()
            back_at = now + timedelta(seconds=seconds) if seconds else None
            self._provider.vanish(batch_id, now, back_at=back_at)

    def make_endless(self, batch_id: str) -> None:
        """Let neither a cancel nor the 24 hours end a batch; `end` still does."""
        with self._lock:
            self._provider.make_endless(batch_id)

    def add_foreign(
        self,
        custom_ids: Sequence[str] = ("foreign-1",),
        *,
        workspace: str = DEFAULT_WORKSPACE,
        model: str = "claude-haiku-4-5",
    ) -> str:
        """Add a batch that another client sent; returns its id."""
        messages = [{"role": "user", "content": "A request of another client."}]
        params = {"model": model, "max_tokens": 64, "messages": messages}
        raw = msgspec.json.encode(params)
        builder = RowBuilder(self.seed, CallOptions(SAMPLING_REMOVED))
        rows = Rows(builder.row(custom_id, raw) for custom_id in custom_ids)
        with self._lock:
            now = self._time.now()
            batch = self._provider.create(rows, workspace, self.plan, now, now=now, foreign=True)
        return batch.id

    def batches(self) -> Sequence[Mapping[str, object]]:
        """Every batch of every workspace as the API would show it, oldest first."""
        with self._lock:
            now = self._time.now()
            return [describe(batch, now, "") for batch in self._provider.all_batches(now)]

    def billing_log(self) -> BillingLog:
        """The received creates and the billed rows."""
        with self._lock:
            billing_log = tuple(map(billed_batch, self._provider.all_batches(self._time.now())))
            posts, messages = tuple(self._posts), tuple(self._messages)
        sent = {book.batch_id: book.custom_ids for book in billing_log}
        filled = (
            replace(post, custom_ids=sent.get(post.batch_id or "", post.custom_ids))
            for post in posts
        )
        return BillingLog(posts=tuple(filled), batches=billing_log, messages=messages)

    def _next_request_id(self) -> str:
        with self._lock:
            self._calls += 1
            return make_id("req", self.seed, self._calls)

    def _answer(
        self, request: HttpRequest, route: Route, fault: Fault | None, request_id: str
    ) -> HttpResponse:
        """The API's own response."""
        headers = common_headers(request_id)
        try:
            workspace = self._access.workspace(request)
            headers |= self._access.headers(workspace)
            options = read_call_options(request, batch=route.is_of_batches)
            with self._lock:
                now = self._time.now()
                if route.is_of_batches:
                    self._rate_limiter.take(now)
                headers |= self._rate_limiter.headers()
            call = Call(request, route, fault, request_id, workspace, options, headers, now)
            return self._dispatch(call)
        except ErrorResponse as error:
            return error_response(error, request_id, headers)

    def _dispatch(self, call: Call) -> HttpResponse:
        calls = {
            "create": self._create,
            "retrieve": self._retrieve,
            "list": self._list,
            "results": self._results,
            "cancel": self._cancel,
            "delete": self._delete,
            "messages": self._message,
            "count_tokens": self._count_tokens,
            "models": self._models,
            "model": self._model,
        }
        return calls[call.route.call](call)

    def _create(self, call: Call) -> HttpResponse:
        body = call.request.read(MAX_BODY)
        try:
            entries = read_create(body)
            builder = RowBuilder(
                *(self.seed, call.options, self.faults.row), cache=self._cache, now=call.now
            )
            rows = Rows(builder.rows(entries))
            with self._lock:
                late = call.fault if call.fault and call.fault.stage is Stage.LATE else None
                now = self._time.now()
                at = now + timedelta(seconds=late.seconds) if late else now
                batch = self._provider.create(rows, call.workspace, self.plan, at, now=now)
                self._seal_fate(call.fault, batch)
                self._log_post(call.workspace, 200, batch.id)
        except ErrorResponse as error:
            self._log_post(call.workspace, error.status, None, read_custom_ids(body))
            raise
        if late:
            return no_response(late)
        return json_response(self._describe(call, batch), call.headers)

    def _seal_fate(self, fault: Fault | None, batch: Batch) -> None:
        """Apply the later effect of a fault of the create to the batch."""
        if fault is None or fault.stage is not Stage.FATE:
            return
        if fault.what == "endless":
            self._provider.make_endless(batch.id)
            return
        at = batch.created_at + timedelta(seconds=fault.seconds)
        back_at = at + timedelta(seconds=fault.back) if fault.back else None
        self._provider.vanish(batch.id, at, back_at=back_at)

    def _retrieve(self, call: Call) -> HttpResponse:
        batch = self._get(call)
        headers = call.headers if batch.ended_at else {**call.headers, **_POLL_AGAIN}
        return json_response(self._describe(call, batch), headers)

    def _list(self, call: Call) -> HttpResponse:
        with self._lock:
            seen = self._provider.list_batches(call.workspace, call.now, lag=call.lag)
        found = page(seen, call.request.query)
        data = [self._describe(call, batch) for batch in found.batches]
        body = {
            "data": data,
            "has_more": found.has_more,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
        }
        return json_response(body, call.headers)

    def _results(self, call: Call) -> HttpResponse:
        batch = self._get(call)
        if batch.ended_at is None or call.now >= batch.archive_at:
            raise ErrorResponse(
                404,
                f"Message Batch {batch.id} has no available results.",
                names_request=False,
            )
        fault = call.fault if call.fault and call.fault.stage is Stage.LINES else None
        with self._lock:
            all_batches = self._provider.all_batches(call.now)
        others = (other for other in all_batches if other.ended_at and other.id != batch.id)
        return results_response(batch, call.headers, fault, next(others, None))

    def _cancel(self, call: Call) -> HttpResponse:
        with self._lock:
            batch = self._provider.cancel(call.workspace, call.route.batch_id, call.now)
        return json_response(self._describe(call, batch), call.headers)

    def _delete(self, call: Call) -> HttpResponse:
        with self._lock:
            if call.fault is None or call.fault.what != "kept":
                self._provider.delete(call.workspace, call.route.batch_id, call.now)
        body = {"id": call.route.batch_id, "type": "message_batch_deleted"}
        return json_response(body, call.headers)

    def _message(self, call: Call) -> HttpResponse:
        params = read_object(call.request.read(MAX_MESSAGE_BODY))
        cache = self._cache if self._cache.serves_messages else None
        row = sync_row(self.seed, params, call.options, cache=cache, now=call.now)
        message_id = make_id("msg", call.request_id)
        billed = BilledRow(
            workspace=call.workspace,
            batch_id=None,
            custom_id=message_id,
            model=row.model,
            usage=usage(row, compose(row), "standard"),
        )
        with self._lock:
            self._messages.append(billed)
        whole = message(row, message_id, "standard")
        return message_response(whole, call.headers, stream=params.get("stream") is True)

    def _count_tokens(self, call: Call) -> HttpResponse:
        params = read_object(call.request.read(MAX_MESSAGE_BODY))
        count = token_count(self.seed, params, call.options)
        return json_response({"input_tokens": count}, call.headers)

    def _models(self, call: Call) -> HttpResponse:
        return json_response(model_list(call.request.query), call.headers)

    def _model(self, call: Call) -> HttpResponse:
        return json_response(model_info(call.route.model), call.headers)

    def _get(self, call: Call) -> Batch:
        with self._lock:
            return self._provider.get(call.workspace, call.route.batch_id, call.now, lag=call.lag)

    def _describe(self, call: Call, batch: Batch) -> dict[str, object]:
        url = f"{call.base}/v1/messages/batches/{batch.id}/results"
        return describe(batch, call.now, url)

    def _log_post(
        self, workspace: str, status: int, batch_id: str | None, ids: tuple[str, ...] = ()
    ) -> None:
        post = Post(workspace=workspace, status=status, batch_id=batch_id, custom_ids=ids)
        with self._lock:
            self._posts.append(post)

    def _answer_early(
        self, request: HttpRequest, route: Route, fault: Fault, request_id: str
    ) -> HttpResponse:
        """End a call before it takes effect."""
        refused = early_response(fault, route.batch_id)
        if isinstance(refused, HttpResponse) and refused.failure:
            return refused
        if route.call == "create":
            status = refused.status
            self._log_post("", status, None, read_custom_ids(request.read(MAX_BODY)))
        if isinstance(refused, HttpResponse):
            return refused
        return error_response(refused, request_id, common_headers(request_id))

    def _corrupt(
        self, request: HttpRequest, fault: Fault, answer: HttpResponse, request_id: str
    ) -> HttpResponse:
        """Corrupt the response of a call that did take effect."""
        corrupt = corrupt_response(fault, answer, request)
        if isinstance(corrupt, HttpResponse):
            return corrupt
        return error_response(corrupt, request_id, common_headers(request_id))
