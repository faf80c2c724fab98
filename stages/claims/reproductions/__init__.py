"""The claims put to the test over several seeds: runs, verdicts, answers, tables and figures."""
