SELECT blocker FROM events_blocker() blocker WHERE blocker IS NOT NULL
