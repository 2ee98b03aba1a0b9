"""``/ready``: the log says what is missing, to who waits for a start and sees nothing else."""

from pathlib import Path

import httpx
from tests.core.test_http_logs import lines_with
from tests.servers import api_process


def test_the_log_says_what_does_not_answer_and_why(database_url: str, tmp_path: Path) -> None:
    with api_process(database_url, tmp_path) as api:
        folder = api.data_dir / "uploads"
        folder.rename(folder.with_name("elsewhere"))
        assert httpx.get(f"{api.url}/ready").status_code == 503
        line = lines_with(api, "ready.refused")[0]
        assert "by=storage " in line
        assert "uploads" in line
        folder.with_name("elsewhere").rename(folder)
        assert httpx.get(f"{api.url}/ready").status_code == 200
