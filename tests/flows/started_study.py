"""The study, as the command line runs it: `python started_study.py <workspace>` under a private server."""

import sys
from pathlib import Path

from flows.serving.prefect_server import PrivateServer

EXIT = {"SIGINT": 130, "cancelled": 130, "SIGTERM": 143}


def main(workspace: Path) -> int:
    with PrivateServer(workspace / "prefect") as server:
        server.introduce()
        from prefect.states import State
        from served_study import study

        from flows.serving.prefect_runs import drain, owned_run, reap

        server.wait()
        print(server.api_url, reap(workspace), flush=True)
        with owned_run(workspace):
            state: State = study("toy", {}, str(workspace), return_state=True)
        drain(state.state_details.flow_run_id, 1)
        if state.is_cancelled():
            return EXIT[state.message.split()[-1]]
        return 0 if state.is_completed() else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
