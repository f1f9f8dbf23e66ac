"""Update trust at the hub: the offline ceremony, the online roles, team roles, and the metadata directory."""
