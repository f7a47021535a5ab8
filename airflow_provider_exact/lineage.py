"""
What OpenLineage is told of an extraction: the endpoint, the files or table, and which column comes from which field.

For operators' ``get_openlineage_facets_on_complete``. Without the OpenLineage provider there is nobody to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_exact.client.rows import Column

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Asset
    from sqlalchemy.engine import URL

    from airflow_provider_exact.extract.engine import Outcome
    from airflow_provider_exact.extract.plan import Plan

IDENTITY = "IDENTITY"
DELETED = "_deleted"
# Schemes that say the same of a store.
SCHEMES = {"gcs": "gs", "s3a": "s3", "s3n": "s3", "abfss": "abfs", "adl": "abfs"}
BACKENDS = {"postgresql": "postgres", "mariadb": "mysql"}
PORTS = {"postgres": 5432, "mysql": 3306, "mssql": 1433, "oracle": 1521}
DEFAULT_SCHEMAS = {"postgres": "public", "mssql": "dbo", "sqlite": "main"}


@dataclass(frozen=True)
class Output:
    """
    What was written to, as OpenLineage names it.

    :param added: Columns beside those of the plan, such as ``_deleted``.
    """

    namespace: str
    name: str
    added: Sequence[Column] = ()


def folder_output(path: object, added: Sequence[Column] = ()) -> Output:
    """Return a folder: ``file`` and its path, or ``s3://bucket`` and the key; no connection is part of it."""
    parts = urlsplit(str(path))
    if parts.scheme in ("", "file", "local"):
        return Output("file", str(Path(parts.path).absolute()), added)
    scheme = SCHEMES.get(parts.scheme, parts.scheme)
    return Output(f"{scheme}://{parts.netloc.rpartition('@')[2]}", parts.path.strip("/") or "/", added)


def table_output(url: URL, table: str, added: Sequence[Column] = ()) -> Output:
    """
    Return a table, named as Airflow's SQL operators and OpenLineage's drivers name it.

    :param url: The engine's; nothing but host, port and database of it are told.
    :param table: ``table`` or ``schema.table``.
    """
    backend = url.get_backend_name()
    backend = BACKENDS.get(backend, backend)
    schema, _, name = table.rpartition(".")
    schema = schema or DEFAULT_SCHEMAS.get(backend, "")
    if backend == "sqlite":
        # A file is both host and database.
        return Output(f"sqlite://{Path(url.database or '').absolute()}", f"{schema}.{name}", added)
    port = url.port or PORTS.get(backend)
    namespace = f"{backend}://{url.host or 'localhost'}{f':{port}' if port else ''}"
    # What MySQL calls a schema is a database.
    databases = [schema or url.database] if backend == "mysql" else [url.database, schema]
    return Output(namespace, ".".join([*filter(None, databases), name]), added)


def lineage(asset: Asset, plan: Plan, outcome: Outcome, output: Output) -> OperatorLineage[Any, Any] | None:
    """
    Return what an extraction that has ended tells OpenLineage, or ``None`` without its provider.

    :param asset: What was extracted.
    """
    try:
        from airflow.providers.common.compat.openlineage.facet import (
            ColumnLineageDatasetFacet,
            Dataset,
            DocumentationDatasetFacet,
            Fields,
            InputField,
            OutputDataset,
            OutputStatisticsOutputDatasetFacet,
            SchemaDatasetFacet,
            SchemaDatasetFacetFields,
        )
        from airflow.providers.openlineage.extractors import OperatorLineage
    except ImportError:
        return None
    from airflow_provider_exact.assets import convert_asset_to_openlineage, create_asset, parts_of

    def schema_of(columns: Sequence[Column]) -> Any:
        known = [
            SchemaDatasetFacetFields(name=one.name, type=f"Edm.{one.type}" if one.type else None) for one in columns
        ]
        return SchemaDatasetFacet(fields=known)

    def taken_from(dataset: Dataset, field: str) -> Any:
        return Fields(
            inputFields=[InputField(namespace=dataset.namespace, name=dataset.name, field=field)],
            transformationType=IDENTITY,
            transformationDescription="",
        )

    source = convert_asset_to_openlineage(asset, None)
    source.facets = {"schema": schema_of(plan.columns)}
    if plan.why:
        source.facets["documentation"] = DocumentationDatasetFacet(description=plan.why)
    inputs = [source]
    fields = {column.name: taken_from(source, column.name) for column in plan.columns}
    if plan.deletions is not None and plan.mode == "incremental":
        host, division, _ = parts_of(asset.uri)
        deleted = create_asset(region_or_host=host, division=division, endpoint="sync/Deleted")
        inputs.append(convert_asset_to_openlineage(deleted, None))
        if any(column.name == DELETED for column in output.added):
            fields[DELETED] = taken_from(inputs[-1], "EntityKey")
    statistics = OutputStatisticsOutputDatasetFacet(
        rowCount=outcome.checkpoint.rows,
        size=outcome.told.get("bytes"),
        fileCount=outcome.told.get("parts"),
    )
    written = OutputDataset(
        namespace=output.namespace,
        name=output.name,
        facets={
            "schema": schema_of([*plan.columns, *output.added]),
            "columnLineage": ColumnLineageDatasetFacet(fields=fields),
        },
        outputFacets={"outputStatistics": statistics},
    )
    return OperatorLineage(inputs=inputs, outputs=[written])
