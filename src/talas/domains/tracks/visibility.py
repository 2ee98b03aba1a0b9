"""Who sees which track, for the statements of all domains: conditions on a row ``t`` of tracks,
where ``$1`` is who asks. Of a row that was read already, ``access.may_see`` says the same."""

SEEN = "(t.user_id = $1 OR (t.status = 'ready' AND t.visibility <> 'private'))"
"""The track can be had by its id."""

WITHHELD = "(NOT (t.status = 'ready' AND t.visibility <> 'private') AND t.user_id <> $1)"
"""The opposite of SEEN: an index holds the few tracks that are withheld from all but one."""

SHARED = "(t.status = 'ready' AND t.visibility = 'public')"
"""Lists show the track to everybody; other tracks they show to their uploaders only."""
