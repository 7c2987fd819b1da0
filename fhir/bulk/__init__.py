"""Bulk export (FHIR Bulk Data Access): asked for, carried out by the worker, polled, fetched, ended."""
