"""Checks of the lanes: those of titan.toml, and those that batches still need."""

from collections.abc import Iterator
from importlib.util import find_spec

from core.api.platform import EXTRAS
from core.config import titan_file
from core.config.lane_access import Target, target_of
from core.config.lanes import Lane
from core.config.settings import Settings
from core.config.variables import KEY, TOKEN
from core.errors import SettingsError
from core.text import are, pluralize
from state.batches import remote_status
from state.db.reader import Source
from titan_console.doctor.finding import Finding, Health
from titan_console.text.access import LaneAccess


def findings(settings: Settings) -> Iterator[Finding]:
    """Each lane of titan.toml: its platform and server, or why it cannot be used."""
    rules = titan_file.read(settings.folder)
    for lane in rules.lanes.values():
        if rules.lane_problem(lane.name):
            # A finding on titan.toml.
            continue
        found = _access(settings, lane)
        if found.problem:
            yield Finding(Health.BAD, "lane", f"{lane.name}: {found.problem}")
        else:
            text = f"{lane.name}: {found.platform} at {found.server}"
            yield Finding(Health.OK, "lane", text)


def accesses(settings: Settings) -> Iterator[LaneAccess]:
    """What each lane of titan.toml reaches its API with, or why it cannot."""
    rules = titan_file.read(settings.folder)
    for lane in rules.lanes.values():
        if problem := rules.lane_problem(lane.name):
            yield LaneAccess(name=lane.name, problem=str(problem))
        else:
            yield _access(settings, lane)


def _access(settings: Settings, lane: Lane) -> LaneAccess:
    try:
        found = target_of(settings, lane)
    except SettingsError as error:
        return LaneAccess(name=lane.name, problem=str(error))
    if missing := _missing(lane):
        return LaneAccess(name=lane.name, problem=f"pip install {missing}")
    return LaneAccess(
        name=lane.name,
        platform=lane.platform,
        server=found.server or "the server of its credentials",
        credential=_credential(lane, found),
    )


def _credential(lane: Lane, found: Target) -> str:
    """Where its credentials come from: a variable, a profile, or what the SDK finds."""
    if lane.key or lane.profile:
        return lane.key or f"profile {lane.profile}"
    if found.credentials is None:
        return "credentials that the SDK finds"
    return KEY if found.credentials.api_key else TOKEN


def _missing(lane: Lane) -> str:
    """The extra that the platform needs, if it is not installed."""
    module, extra = EXTRAS.get(lane.platform, ("", ""))
    package = module.partition(".")[0]
    if not module or (find_spec(package) and find_spec(module)):
        return ""
    return f"'titan-console[{extra}]'"


def removed(source: Source, settings: Settings) -> Iterator[Finding]:
    """Lanes that are no longer in titan.toml and have work."""
    known = titan_file.read(settings.folder).lanes
    for lane, count in remote_status.unfinished_by_lane(source).items():
        if lane not in known:
            waiting = f"{pluralize(count, 'batch', 'batches')} {are(count)} unfinished"
            text = f"{lane} is not in titan.toml, and {waiting}: add [lanes.{lane}] again"
            yield Finding(Health.BAD, "lane", text)
