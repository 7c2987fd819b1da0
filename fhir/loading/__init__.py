"""The plan's data on its way in: files read, resources checked, labelled and written in batches."""
