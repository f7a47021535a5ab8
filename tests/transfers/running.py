"""Runs a Dag file as ``airflow dags test`` does: ``python -m tests.transfers.running FILE``."""

from __future__ import annotations

import sys

from airflow.dag_processing.bundles.manager import DagBundlesManager

try:
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
except ImportError:
    # Where Airflow 3.1 has it.
    from airflow.models.dagbag import DagBag, sync_bag_to_db


def read(path):
    """Return the one Dag of a file, known to Airflow's database."""
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=str(path))
    assert bag.import_errors == {}
    sync_bag_to_db(bag, "dags-folder", None)
    [dag] = bag.dags.values()
    return dag


if __name__ == "__main__":
    sys.exit(read(sys.argv[1]).test().state != "success")
