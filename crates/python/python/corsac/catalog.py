"""The tables and views that persist from session to session, with their descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corsac.errors import (
    CatalogAlreadyExistsError,
    CatalogError,
    CatalogNotFoundError,
    DatabaseAlreadyExistsError,
    DatabaseNotFoundError,
    TableAlreadyExistsError,
    TableNotFoundError,
)
from corsac.types import Schema, native_type

if TYPE_CHECKING:
    from corsac.session import Session

__all__ = ["Catalog", "DatasetMetadata"]


class DatasetMetadata:
    """What is known of a table.

    Attributes:
        schema: Its columns.
        description: What it is for.
    """

    def __init__(self, schema: Schema, description: str | None) -> None:
        self.schema = schema
        self.description = description

    def __repr__(self) -> str:
        return f"DatasetMetadata({self.schema!r}, description={self.description!r})"


class Catalog:
    """``session.catalog``. There is one catalog with one database, ``corsac``; ``corsac sql`` sees the same."""

    _NAME = "corsac"

    def __init__(self, session: Session) -> None:
        self._session = session

    def _listed(self) -> list[dict[str, Any]]:
        query = "SELECT table_name, table_type, description FROM information_schema.tables ORDER BY table_name"
        return self._session.sql(query).to_pylist()

    def _bare(self, name: str) -> str:
        """A name without the catalog and the database, of which there is one each."""
        *path, bare = name.split(".")
        return bare if path and len(path) <= 2 and all(part.lower() == self._NAME for part in path) else name

    def _found(self, name: str, names: list[str]) -> str | None:
        """The name as it is spelled in the catalog."""
        bare = self._bare(name)
        return bare if bare in names else next((known for known in names if known.lower() == bare.lower()), None)

    def _spelled(self, name: str) -> str:
        return self._found(name, [*self.list_tables(), *self.list_views()]) or self._bare(name)

    def list_tables(self) -> list[str]:
        """Tables and files under a name."""
        views = set(self.list_views())
        return [str(row["table_name"]) for row in self._listed() if row["table_name"] not in views]

    listTables = list_tables

    def list_views(self) -> list[str]:
        """Views, those of this session among them."""
        own = self._session._native.registered()
        kept = [str(row["table_name"]) for row in self._listed() if "VIEW" in str(row["table_type"]).upper()]
        return sorted({*own, *kept})

    listViews = list_views

    def does_table_exist(self, table_name: str) -> bool:
        """Whether there is a table of this name, in whatever case, with or without ``corsac.`` before it."""
        return self._found(table_name, self.list_tables()) is not None

    doesTableExist = does_table_exist

    def does_view_exist(self, view_name: str) -> bool:
        """Whether there is a view of this name, in whatever case, with or without ``corsac.`` before it."""
        return self._found(view_name, self.list_views()) is not None

    doesViewExist = does_view_exist

    def describe_table(self, table_name: str) -> DatasetMetadata:
        """A table's columns and description."""
        if not self.does_table_exist(table_name) and not self.does_view_exist(table_name):
            raise TableNotFoundError(f"there is no table {table_name}")
        table_name = self._spelled(table_name)
        frame = self._session.table(table_name)
        found = [row["description"] for row in self._listed() if row["table_name"] == table_name]
        return DatasetMetadata(frame.schema, found[0] if found else None)

    describeTable = describe_table

    def describe_view(self, view_name: str) -> DatasetMetadata:
        """A view's columns and description."""
        view_name = self._spelled(view_name)
        described = self.describe_table(view_name)
        own = self._session._views.get(view_name)
        return DatasetMetadata(described.schema, own if own is not None else described.description)

    def create_table(
        self, table_name: str, schema: Schema, ignore_if_exists: bool = True, description: str | None = None
    ) -> bool:
        """An empty table; whether it was made."""
        table_name = self._spelled(table_name)
        if self.does_table_exist(table_name):
            if ignore_if_exists:
                return False
            raise TableAlreadyExistsError(f"there is a table {table_name} already")
        columns: dict[str, list[Any]] = {field.name: [] for field in schema}
        types = {field.name: native_type(field.data_type) for field in schema}
        self._session.create_dataframe(columns, schema=types).write.save_as_table(table_name)
        if description is not None:
            self.set_table_description(table_name, description)
        return True

    createTable = create_table

    def drop_table(self, table_name: str, ignore_if_not_exists: bool = True) -> bool:
        """Takes a table away; whether there was one."""
        table_name = self._spelled(table_name)
        return self._drop("TABLE", table_name, ignore_if_not_exists, self.does_table_exist(table_name))

    dropTable = drop_table

    def drop_view(self, view_name: str, ignore_if_not_exists: bool = True) -> bool:
        """Takes a view away; whether there was one."""
        view_name = self._spelled(view_name)
        if self._session._native.unregister(view_name):
            self._session._views.pop(view_name, None)
            return True
        return self._drop("VIEW", view_name, ignore_if_not_exists, self.does_view_exist(view_name))

    dropView = drop_view

    def _drop(self, noun: str, name: str, lenient: bool, there: bool) -> bool:
        from corsac.write import quoted

        if not there:
            if lenient:
                return False
            raise TableNotFoundError(f"there is no {noun.lower()} {name}")
        self._session.execute(f"DROP {noun} {quoted(name)}")
        return True

    def set_table_description(self, table_name: str, description: str | None = None) -> None:
        """Says what a table is for; ``None`` takes that away."""
        from corsac.write import quoted

        if not self.does_table_exist(table_name) and not self.does_view_exist(table_name):
            raise TableNotFoundError(f"there is no table {table_name}")
        table_name = self._spelled(table_name)
        text = "NULL" if description is None else "'" + description.replace("'", "''") + "'"
        self._session.execute(f"COMMENT ON TABLE {quoted(table_name)} IS {text}")

    setTableDescription = set_table_description

    def set_view_description(self, view_name: str, description: str | None = None) -> None:
        """Says what a view is for; ``None`` takes that away."""
        view_name = self._spelled(view_name)
        if view_name in self._session._views:
            self._session._views[view_name] = description
        else:
            self.set_table_description(view_name, description)

    # one catalog, one database

    def list_catalogs(self) -> list[str]:
        """The one catalog there is."""
        return [self._NAME]

    listCatalogs = list_catalogs
    list_databases = list_catalogs

    def get_current_catalog(self) -> str:
        """The one catalog there is."""
        return self._NAME

    getCurrentCatalog = get_current_catalog
    get_current_database = get_current_catalog
    getCurrentDatabase = get_current_catalog

    def does_catalog_exist(self, catalog_name: str) -> bool:
        """Whether it is the one there is."""
        return catalog_name == self._NAME

    doesCatalogExist = does_catalog_exist
    does_database_exist = does_catalog_exist
    doesDatabaseExist = does_catalog_exist

    def set_current_catalog(self, catalog_name: str) -> None:
        """Takes the name of the one there is."""
        if catalog_name != self._NAME:
            raise CatalogNotFoundError(self._only("catalog", catalog_name))

    setCurrentCatalog = set_current_catalog

    def set_current_database(self, database_name: str) -> None:
        """Takes the name of the one there is."""
        if database_name != self._NAME:
            raise DatabaseNotFoundError(self._only("database", database_name))

    setCurrentDatabase = set_current_database

    def create_catalog(self, catalog_name: str, ignore_if_exists: bool = True) -> bool:
        """Gives ``False`` for the one there is. Another cannot be made here: it is another home."""
        return self._create("catalog", catalog_name, ignore_if_exists, CatalogAlreadyExistsError)

    createCatalog = create_catalog

    def create_database(self, database_name: str, ignore_if_exists: bool = True) -> bool:
        """Gives ``False`` for the one there is. Another cannot be made here: it is another home."""
        return self._create("database", database_name, ignore_if_exists, DatabaseAlreadyExistsError)

    createDatabase = create_database

    def drop_catalog(self, catalog_name: str, ignore_if_not_exists: bool = True) -> bool:
        """Gives ``False`` for one that is not there. The one there is stays."""
        return self._drop_whole("catalog", catalog_name, ignore_if_not_exists, CatalogNotFoundError)

    dropCatalog = drop_catalog

    def drop_database(self, database_name: str, cascade: bool = False, ignore_if_not_exists: bool = True) -> bool:
        """Gives ``False`` for one that is not there. The one there is stays."""
        _ = cascade
        return self._drop_whole("database", database_name, ignore_if_not_exists, DatabaseNotFoundError)

    dropDatabase = drop_database

    def _only(self, noun: str, name: str) -> str:
        return f"there is one {noun}, {self._NAME}, and no {name}: for another one, give SessionConfig another home"

    def _create(self, noun: str, name: str, lenient: bool, there_already: type[CatalogError]) -> bool:
        if name != self._NAME:
            raise CatalogError(self._only(noun, name))
        if not lenient:
            raise there_already(f"there is a {noun} {name} already")
        return False

    def _drop_whole(self, noun: str, name: str, lenient: bool, not_there: type[CatalogError]) -> bool:
        if name == self._NAME:
            raise CatalogError(f"the {noun} {name} is the only one there is, and stays: drop its tables, or remove its folder")
        if not lenient:
            raise not_there(self._only(noun, name))
        return False
