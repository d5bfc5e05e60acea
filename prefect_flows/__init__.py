"""The nightly flow: from bars to published features, reports and models; as a plain script, or under Prefect."""
