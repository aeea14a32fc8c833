"""A small feed to change one thing in: one line, two directions, three stops."""

from pathlib import Path

FILES = {
    "agency.txt": "agency_name,agency_timezone\nDemo,Europe/Paris\n",
    "calendar.txt": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
    "X,1,1,1,1,1,0,0,20260101,20261231\n",
    "routes.txt": "route_id,route_short_name,route_type\nA,12,3\n",
    "stops.txt": "stop_id,stop_name,stop_lat,stop_lon\ns1,Un,43.30,5.37\ns2,Deux,43.31,5.38\ns3,Trois,43.32,5.38\n",
    "trips.txt": "route_id,service_id,trip_id,direction_id\nA,X,t1,0\nA,X,t2,1\n",
    "stop_times.txt": "trip_id,departure_time,stop_id,stop_sequence\n"
    "t1,21:00:00,s1,1\nt1,,s2,2\nt1,21:20:00,s3,3\nt2,25:10:00,s3,1\nt2,25:30:00,s1,2\n",
}


def write_feed(folder: Path, **changes: str | bytes | None) -> Path:
    """The folder with the small feed in it, some files changed or (None) left out; names go without ".txt"."""
    for name, text in (FILES | {f"{name}.txt": text for name, text in changes.items()}).items():
        if text is not None:
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder
