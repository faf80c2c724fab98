"""The five write-ups put to the test: as printed, demonstrated, run over seeds, judged."""
