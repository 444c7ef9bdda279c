"""The operations of Data Factory's REST API. Paths are in lower case here: ``paths.py`` sees to that."""
