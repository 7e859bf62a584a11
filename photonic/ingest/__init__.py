"""Floor 4: photos. From a file in a folder to a change in the catalog."""
