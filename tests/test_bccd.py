"""Real labels: the blood cells of BCCD, where they lie beside the project, with their two slips."""

import json

from single_shot.command import main
from single_shot.prepared_folder import open_prepared

from tests.bccd import BCCD, needs_bccd

pytestmark = needs_bccd
BAD = ("BloodImage_00338.xml, object 12", "BloodImage_00343.xml, object 3")


def test_fetch_takes_the_copy_beside_the_project(tmp_path, capfd):
    (tmp_path / "local").mkdir()
    (tmp_path / "local/bccd").symlink_to(BCCD)
    words = ["--from", str(tmp_path / "local"), "--out", str(tmp_path / "out")]
    assert main(["fetch", "bccd", *words]) == 0
    content = tmp_path / "out/bccd/BCCD_Dataset-1.0/BCCD"
    assert f"prepare {content} --format voc" in capfd.readouterr().out
    assert len(list((content / "JPEGImages").iterdir())) == 364


def test_strict_names_both_slips(tmp_path, capfd):
    assert main(["prepare", str(BCCD), "--out", str(tmp_path / "out")]) == 2
    error = capfd.readouterr().err
    assert "2 faults" in error and all(f"{place}: zero-area box" in error for place in BAD)
    assert (tmp_path / "out.findings/findings.png").is_file() and not (tmp_path / "out").exists()


def test_without_them_it_is_prepared(tmp_path):
    sets = ["--sets", "trainval", "test"]
    assert main(["prepare", str(BCCD), "--out", str(tmp_path / "out"), "--drop-bad", *sets]) == 0
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["class_names"] == ["Platelets", "RBC", "WBC"]
    assert manifest["num_images"] == {"train": 292, "val": 72}
    counts = manifest["num_objects"].values()
    assert {n: sum(each[n] for each in counts) for n in manifest["class_names"]} == {
        "Platelets": 361,
        "RBC": 4153,
        "WBC": 372,
    }
    dataset = open_prepared(tmp_path / "out", "val")
    assert dataset[0][0].shape == (480, 640, 3) and len(dataset) == 72
