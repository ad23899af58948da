"""One run of the protocol `retrieval`: features of all pictures to disk, then each query against the database."""

from __future__ import annotations

import concurrent.futures
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from superpoint_tf.evaluation.evaluate import Request, open_pool, open_request
from superpoint_tf.evaluation.extraction import report_dropped
from superpoint_tf.evaluation.frame_extraction import FrameExtraction, Stores, extract_frames
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.protocols.retrieval_results import BudgetResult, MeasuredRetrieval
from superpoint_tf.evaluation.retrieval_measures import MeasuredQuery
from superpoint_tf.evaluation.retrieval_metrics import (
    Database,
    answer_query,
    first_is_right,
    query_average_precision,
)
from superpoint_tf.evaluation.sets.places import Picture, open_places, readable
from superpoint_tf.features import Features
from superpoint_tf.features.feature_files import open_features, read_features
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Progress
from superpoint_tf.runtime.workers import ordered_map

# RANSAC is as loose as positions are: those of features of a coarse grid, too, are to count.
RETRIEVAL_PROTOCOL = PairProtocol((240, 320), max_keypoints=300, nms_radius_px=4, ransac_px=8.0)
SETTING = "240x320"
BUDGETS = (75, 150, 300)  # the strongest of the same features
_QUERIES_A_TASK = 8


@dataclass(frozen=True)
class Task:
    """Some queries of one method at one budget."""

    path: str  # its feature file
    budget: int
    names: tuple[str, ...]  # of all pictures
    places: tuple[str, ...]  # of which each shows one
    stored: tuple[bool, ...]  # in the database
    queries: tuple[int, ...]  # numbers among them


def measure_retrieval(request: Request) -> MeasuredRetrieval:
    """Measure the methods on the places of a folder; raises ValueError or OSError naming what cannot be used.

    Methods without descriptors are named and take no part.
    """
    protocol = RETRIEVAL_PROTOCOL
    with open_request(request) as stores:
        wanted = open_places(request.data, request.config, protocol.image_shape, request.num)
        pictures = _extract(request, wanted, stores, protocol)
    request.say_left_out()
    queries = _queries(pictures)
    if not queries:
        raise ValueError(f"{request.data}: no place has two pictures that can be read: {request.left_out[:3]}")
    describing = [method for method, path in request.files.items() if _describes(path, pictures)]
    for method in request.files.keys() - set(describing):
        request.console.line("eval", f"{method}: finds keypoints and describes none; it takes no part")
    if not describing:
        raise ValueError("--methods: none of them describes what it finds; name SIFT, ORB or weights with descriptors")
    if lost := {name for pair in request.compared for name in pair} - set(describing):
        raise ValueError(f"--compare: {', '.join(sorted(lost))} describes nothing; compare rows that do")
    results = []
    rounds = len(describing) * len(BUDGETS) * len(queries)
    with open_pool(request.config) as pool, Progress(rounds, "eval", "queries", console=request.console) as progress:
        for budget, method in itertools.product(BUDGETS, describing):
            results.append(BudgetResult(method, budget, _ask(request.files[method], budget, pictures, queries, pool)))
            progress.update(len(queries))
    identities = {name: identity for name, identity in request.identities.items() if name in describing}
    counts = len(queries), sum(picture.stored for picture in pictures)
    return MeasuredRetrieval(request.all_facts, SETTING, protocol, identities, results, *counts, request.compared)


def _extract(
    request: Request, pictures: Sequence[Picture], stores: Stores, protocol: PairProtocol
) -> tuple[Picture, ...]:
    """Extract all pictures that can be read, and return them."""
    for _, store in stores:
        store.open_setting(SETTING, protocol)
    report_dropped(stores, request.console)
    there = []
    with (
        StopRequest() as stop,
        Progress(
            len(pictures), "eval", "pictures extracted", console=request.console, in_bursts=request.on is not None
        ) as progress,
    ):
        how = FrameExtraction(SETTING, protocol, stores, True, request.images_folder, request.on)
        found = extract_frames(readable(pictures, request.left_out), lambda item: item[1:], how, stop, request.stopped)
        for (picture, _), _ in found:
            there.append(picture)
            progress.update()
    return tuple(there)


def _queries(pictures: Sequence[Picture]) -> tuple[int, ...]:
    """Return the pictures that ask and of whose place the database has another."""
    stored = [picture.place if picture.stored else "" for picture in pictures]
    return tuple(
        number
        for number, picture in enumerate(pictures)
        if picture.asks and any(place == picture.place for place in (*stored[:number], *stored[number + 1 :]))
    )


def _describes(path: str, pictures: Sequence[Picture]) -> bool:
    with open_features(path) as file:
        return any("descriptors" in file[f"{SETTING}/{picture.name}"] for picture in pictures)


def _ask(
    path: str,
    budget: int,
    pictures: tuple[Picture, ...],
    queries: tuple[int, ...],
    pool: concurrent.futures.Executor | None,
) -> tuple[MeasuredQuery, ...]:
    parts = [queries[start : start + _QUERIES_A_TASK] for start in range(0, len(queries), _QUERIES_A_TASK)]
    of_pictures = zip(*((picture.name, picture.place, picture.stored) for picture in pictures), strict=True)
    names, places, stored = of_pictures
    tasks = [Task(path, budget, names, places, stored, part) for part in parts]
    return tuple(itertools.chain.from_iterable(ordered_map(pool, ask_task, tasks, window=4)))


def ask_task(task: Task) -> list[MeasuredQuery]:
    """Ask the queries of a task; runs in a worker process."""
    with open_features(task.path) as file:
        found = [read_features(file, f"{SETTING}/{name}")[0].take(slice(task.budget)) for name in task.names]
    features, stored = _with_descriptors(found), np.flatnonzero(task.stored)
    database = Database([features[number] for number in stored])
    places = np.array(task.places, object)[stored]
    return [_ask_one(task, number, features[number], database, stored, places) for number in task.queries]


def _ask_one(
    task: Task, number: int, query: Features, database: Database, stored: np.ndarray, places: np.ndarray
) -> MeasuredQuery:
    place = task.places[number]
    own = np.flatnonzero(stored == number)
    answer = answer_query(database, query, RETRIEVAL_PROTOCOL.ransac_px, int(own[0]) if len(own) else None)
    right = (places == place) & (stored != number)
    wrong = answer.inliers[places != place]
    return MeasuredQuery(
        place,
        task.names[number],
        query_average_precision(answer, right),
        first_is_right(answer, right),
        len(query.keypoints),
        float(answer.inliers[right].mean()),
        float(wrong.max(initial=0)),
    )


def _with_descriptors(features: Sequence[Features]) -> list[Features]:
    """Give pictures in which nothing was found the descriptors (0, D) of nothing."""
    described = next(found.descriptors for found in features if found.descriptors is not None)
    nothing = np.zeros((0, described.shape[1]), described.dtype)
    return [found if found.descriptors is not None else found._replace(descriptors=nothing) for found in features]
