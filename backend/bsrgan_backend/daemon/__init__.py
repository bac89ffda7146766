"""The supervisor: sessions, queue and spool behind one ROUTER socket; imports no Paddle."""
