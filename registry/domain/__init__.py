"""The field: calendars, the protocol, schedules and scores, without input, output or a clock."""
