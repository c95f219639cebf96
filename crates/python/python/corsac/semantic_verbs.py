"""Verbs of a table that ask a model or compare by meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corsac.column import Column, ColumnOrName, literal, named
from corsac.errors import UsageError
from corsac.functions.semantic import _examples, _settings
from corsac.types import JoinExampleCollection, ModelAlias, SemanticSimilarityMetric

if TYPE_CHECKING:
    from corsac.dataframe import DataFrame

__all__ = ["SemanticExtensions"]


class SemanticExtensions:
    """``df.semantic``."""

    def __init__(self, frame: DataFrame) -> None:
        self._frame = frame

    def join(
        self,
        other: DataFrame,
        predicate: str,
        left_on: Column,
        right_on: Column,
        strict: bool = True,
        examples: JoinExampleCollection | None = None,
        model_alias: str | ModelAlias | None = None,
        request_timeout: float | None = None,
        how: str = "inner",
        strategy: str | None = None,
        recall: float | None = None,
    ) -> DataFrame:
        """Pairs of rows for which a template's question is answered with yes. Pairs are found by their vectors first, and only
        those worth asking about are asked about.

        Args:
            other: The other table.
            predicate: The template, over ``{{ left_on }}`` and ``{{ right_on }}``.
            left_on: What stands for ``left_on``, over this table.
            right_on: What stands for ``right_on``, over the other.
            strict: A pair with a NULL is no match. Without it, NULL is blank in the template.
            examples: Pairs with their answers, shown to the model.
            model_alias: Whom to ask.
            request_timeout: The most seconds a pair may take over all its attempts.
            how: ``inner``, ``left``, ``right``, ``full``, ``semi`` or ``anti``.
            strategy: ``auto``, ``cross`` (ask about all pairs) or ``embedding``.
            recall: The share of the matches that must be found; 0.95 unless said.
        """
        unnamed = [name for name in ("left_on", "right_on") if name not in predicate]
        if unnamed:
            raise UsageError(f"the template of a join names both sides: write {{{{ {unnamed[0]} }}}} in it")
        settings = _settings(model_alias, None, None, request_timeout)
        settings += _examples(examples, lambda given: given._rows())
        said: dict[str, Any] = {"strict": None if strict else False, "strategy": strategy, "recall": recall}
        settings += [(name, literal(value)._expr) for name, value in said.items() if value is not None]
        left, right = ("left_on", named(left_on)._expr), ("right_on", named(right_on)._expr)
        joined = self._frame._frame.semantic_join(other._frame, predicate, left, right, settings, how)
        return self._frame._of(joined)

    def sim_join(
        self,
        other: DataFrame,
        left_on: ColumnOrName,
        right_on: ColumnOrName,
        k: int = 1,
        similarity_metric: SemanticSimilarityMetric = "cosine",
        similarity_score_column: str | None = None,
        request_timeout: float | None = None,
    ) -> DataFrame:
        """Each row beside the ``k`` rows of the other table that lie nearest, by vectors or by the vectors of texts.

        Args:
            other: The other table.
            left_on: Texts or vectors of this table.
            right_on: Texts or vectors of the other.
            k: How many of the nearest.
            similarity_metric: ``cosine``, ``l2`` or ``dot``.
            similarity_score_column: The name of a column for how near they are; without one there is none.
            request_timeout: Taken for the sake of older programs; requests have the session's deadlines.
        """
        _settings(None, None, None, request_timeout)
        if k < 1:
            raise UsageError(f"k is how many of the nearest, at least 1, not {k}")
        keys = named(left_on)._expr, named(right_on)._expr
        joined = self._frame._frame.similarity_join(other._frame, *keys, k, similarity_metric, similarity_score_column)
        return self._frame._of(joined)

    simJoin = sim_join

    def with_cluster_labels(
        self,
        by: ColumnOrName,
        num_clusters: int,
        max_iter: int = 300,
        num_init: int = 1,
        label_column: str = "cluster_label",
        centroid_column: str | None = None,
        request_timeout: float | None = None,
        seed: int = 42,
    ) -> DataFrame:
        """The number of the group each row lies in, from 0, by texts or by their vectors. A row without a vector has none.

        Args:
            by: Texts or vectors.
            num_clusters: How many groups to look for.
            max_iter: Taken for the sake of older programs; the search goes on until nothing moves.
            num_init: How often it begins anew; the closest groups are taken.
            label_column: The column for the number.
            centroid_column: A column for the middle of the group; without a name there is none.
            request_timeout: Taken for the sake of older programs; requests have the session's deadlines.
            seed: What the first middles are drawn by. The same one gives the same groups.
        """
        _settings(None, None, None, request_timeout)
        if num_clusters < 1 or max_iter < 1 or num_init < 1:
            raise UsageError("num_clusters, max_iter and num_init are whole numbers from 1")
        frame = self._frame._frame.cluster(named(by)._expr, num_clusters, label_column, centroid_column, seed, num_init)
        return self._frame._of(frame)
