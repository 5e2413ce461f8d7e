"""What Dagster knows of the stream, for Prometheus: read when somebody asks, kept by nobody."""
