"""How static files are stored in production: compressed, and named by their content."""

from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage that also names by content what an ES module imports, so that no stale one is kept."""

    support_js_module_import_aggregation = True
