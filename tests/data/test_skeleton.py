"""Key points of any animal: names, mirror and sigmas from the file, never guessed."""

import json

import pytest
import torch
from PIL import Image

from detlearn import create_model, load_model, save_model
from detlearn.data import COCO_AUGMENTATION, CocoDetectionDataset, KeypointCrops
from detlearn.data.border import findings_of, survey
from detlearn.data.shapes import KEYPOINT_FLIP, KEYPOINT_NAMES
from detlearn.data.skeleton import choose_sigmas, flip_order, parse_pairs, read_skeleton
from detlearn.metrics import COCO_SIGMAS
from detlearn.training import evaluate_pose
from detlearn.training.before import match_joints

DOG = ["left ear", "right ear", "nose", "tail"]
POINTS = [20.0, 10.0, 2, 40.0, 10.0, 2, 30.0, 20.0, 2, 30.0, 50.0, 2]


def write(root, joints_of_first=POINTS, **category):
    (root / "images").mkdir(exist_ok=True)
    Image.new("RGB", (64, 64), (90, 120, 40)).save(root / "images" / "a.png")
    entries = [joints_of_first, [p + (n % 3 < 2) for n, p in enumerate(POINTS)]]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 64}],
        "categories": [{"id": 1, "name": "dog", "keypoints": DOG} | category],
        "annotations": [
            {"id": k, "image_id": 1, "category_id": 1, "bbox": [8, 4, 48, 52], "keypoints": joints}
            for k, joints in enumerate(entries)
        ],
    }
    (root / "a.json").write_text(json.dumps(content))
    return CocoDetectionDataset(root / "images", root / "a.json", keypoints=True, on_bad="skip")


def pose(**settings):
    return create_model("pose_hrnet_tiny", **settings).eval()


def test_names_and_number_are_the_file_s(tmp_path):
    dataset = write(tmp_path)
    assert dataset.skeleton.names == tuple(DOG) and dataset.num_joints == 4
    assert dataset.skeleton.order is None and dataset.skeleton.sigmas is None


@pytest.mark.parametrize("pairs", [[[0, 1]], [["left ear", "right ear"]], [[1, 0]]])
def test_pairs_are_the_file_s(tmp_path, pairs):
    assert write(tmp_path, flip_pairs=pairs).skeleton.order == (1, 0, 2, 3)


def test_coco_s_people_are_known_by_their_names():
    names = [name.replace("_", " ").title() for name in KEYPOINT_NAMES]
    found = read_skeleton({"keypoints": names}, "a")
    assert (found.order, found.sigmas) == (KEYPOINT_FLIP, COCO_SIGMAS)
    assert read_skeleton({"keypoints": names[::-1]}, "a").order is None
    assert read_skeleton({}, "a").order is None


@pytest.mark.parametrize(
    ("category", "says"),
    [
        ({"flip_pairs": [[0, 4]]}, "expected joints from 0 to 3 or their names, got 4"),
        ({"flip_pairs": [["left ear", "paw"]]}, "or their names, got 'paw'"),
        ({"flip_pairs": [[0, 1], [1, 2]]}, "expected each joint once, got 1 twice"),
        ({"flip_pairs": [[0, 1, 2]]}, "expected pairs of joints, got"),
        ({"flip_pairs": 7}, "int"),
        ({"flip_pairs": [[True, 0]]}, "expected joints from 0 to 3"),
        ({"sigmas": [0.1, 0.1]}, "expected sigmas to be 4 numbers above 0"),
        ({"sigmas": [0.1, 0.1, 0.1, 0]}, "expected sigmas to be 4 numbers above 0"),
        ({"sigmas": "wide"}, "expected sigmas"),
        ({"keypoints": "nose"}, "expected keypoints to be a list of names"),
        ({"keypoints": DOG[:3]}, "expected key points of 9 numbers for the 3 names"),
    ],
)
def test_a_skeleton_that_is_none_is_refused(tmp_path, category, says):
    with pytest.raises(ValueError, match=says):
        write(tmp_path, **category)


def test_two_skeletons_in_one_file_are_refused(tmp_path):
    write(tmp_path)
    content = json.loads((tmp_path / "a.json").read_text())
    content["categories"].append({"id": 2, "name": "door", "keypoints": ["a", "b", "c", "d"]})
    content["annotations"][1]["category_id"] = 2
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="expected one set of key points, got categories"):
        CocoDetectionDataset(tmp_path / "images", tmp_path / "a.json", keypoints=True)


def test_unknown_joints_are_not_mirrored_and_it_is_said_once(tmp_path):
    dataset = write(tmp_path)
    with pytest.warns(UserWarning, match="so nothing is mirrored") as said:
        people = KeypointCrops(dataset, pose(num_joints=4).config, COCO_AUGMENTATION)
        places = [people[0][1]["keypoints"][:2, 0] for _ in range(20)]
    assert len(said) == 1
    assert all(left < right for left, right in places)  # never exchanged
    assert people.augmentation.flip == people.augmentation.half_body == 0


def test_joints_change_places_where_the_file_says_so(tmp_path, recwarn):
    dataset = write(tmp_path, flip_pairs=[[0, 1]])
    config = pose(num_joints=4, flip_order=dataset.skeleton.order).config
    people = KeypointCrops(dataset, config, COCO_AUGMENTATION)
    assert people.augmentation.flip == 0.5 and people.augmentation.half_body == 0
    assert not recwarn.list
    torch.manual_seed(0)
    ears = [people[0][1]["keypoints"][:2, 0].tolist() for _ in range(20)]
    assert all(left < right for left, right in ears)  # a mirrored left ear is a right one


def test_seventeen_joints_that_are_not_coco_s(tmp_path):
    """The number alone says nothing: COCO's mirror would exchange a nose and an eye."""
    names = [f"joint {n}" for n in range(17)]
    joints = [value for n in range(17) for value in (10.0 + n, 20.0, 2)]
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "images" / "a.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "dog", "keypoints": names}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 4, 48, 52],
                         "keypoints": joints}],
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(content))
    dataset = CocoDetectionDataset(tmp_path / "images", tmp_path / "a.json", keypoints=True)
    with pytest.warns(UserWarning, match="nothing is mirrored"):
        people = KeypointCrops(dataset, pose().config, COCO_AUGMENTATION)
    assert people.augmentation.flip == 0
    content["categories"][0]["flip_pairs"] = [[0, 1]]
    (tmp_path / "a.json").write_text(json.dumps(content))
    dataset = CocoDetectionDataset(tmp_path / "images", tmp_path / "a.json", keypoints=True)
    with pytest.raises(ValueError, match="flip_order: expected the file's"):
        KeypointCrops(dataset, pose().config, COCO_AUGMENTATION)


def test_another_number_than_the_network_s_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected key points of 17 joints, .* got 4"):
        KeypointCrops(write(tmp_path), pose().config)


@pytest.mark.parametrize("nothing", [None, [], [0.0] * 12])
def test_null_is_answered(tmp_path, nothing):
    dataset = write(tmp_path, nothing)
    (said,) = [f for f in findings_of(survey(dataset, "train")) if f.kind == "no key points"]
    assert said.text.startswith("train: 1 of 2 boxes have no labelled key point (null")
    with pytest.warns(UserWarning, match="mirror"):
        assert len(KeypointCrops(dataset, pose(num_joints=4).config, COCO_AUGMENTATION)) == 1


def test_a_network_that_nobody_told_of_mirrors_uses_none(tmp_path):
    model = pose(num_joints=4, flip_order=None)
    save_model(model, tmp_path / "a.safetensors")
    again = load_model(tmp_path / "a.safetensors")
    assert again.config.flip_order is None
    crops = torch.rand(1, 3, 128, 96)
    with torch.inference_mode():
        torch.testing.assert_close(again.heatmaps(crops, flip=True), again(crops))
    with pytest.raises(ValueError, match="flip_order: these 4 joints are neither"):
        _ = again.config.mirrored


def test_weights_keep_the_joints_names(tmp_path):
    dataset = write(tmp_path)
    model = pose(num_joints=4, flip_order=None)
    model.joint_names = dataset.skeleton.names
    save_model(model, tmp_path / "a.safetensors")
    again = load_model(tmp_path / "a.safetensors")
    assert again.joint_names == dataset.skeleton.names and len(again.joint_names) == 4
    match_joints(again, dataset, "here")
    again.joint_names = tuple(name.upper() for name in dataset.skeleton.names)
    match_joints(again, dataset, "here")
    again.joint_names = dataset.skeleton.names[::-1]
    with pytest.raises(
        ValueError,
        match="here: expected the key points of the weights, .*, got the same in another order: ",
    ):
        match_joints(again, dataset, "here")
    again.joint_names = ("a", "b", "c", "d")
    with pytest.raises(
        ValueError, match="expected the key points of the weights, a, b, c, d, got "
    ):
        match_joints(again, dataset, "here")
    again.joint_names = None  # older weights say nothing
    match_joints(again, dataset, "here")
    with pytest.raises(ValueError, match="here: expected key points of 17 joints"):
        match_joints(pose(), dataset, "here")
    for names in ([1, 2], "nose", ["nose"]):
        with pytest.raises(ValueError, match="joint_names: expected"):
            save_model(again, tmp_path / "b.safetensors", {"joint_names": json.dumps(names)})
    with pytest.raises(ValueError, match="ssd_tiny knows no key points"):
        save_model(create_model("ssd_tiny"), tmp_path / "b.safetensors", {"joint_names": "[]"})


def test_sigmas_are_given_or_the_same_and_said(tmp_path):
    sigmas, said = choose_sigmas(write(tmp_path), 4)
    assert len(set(sigmas)) == 1 and len(sigmas) == 4 and "the same sigma" in said
    own = write(tmp_path, sigmas=[0.1, 0.2, 0.3, 0.4])
    assert choose_sigmas(own, 4) == (
        (0.1, 0.2, 0.3, 0.4),
        "OKS is measured with the file's own sigmas",
    )
    assert choose_sigmas(None, 17) == (COCO_SIGMAS, "")
    scores = evaluate_pose(pose(num_joints=4, flip_order=None), own)
    assert 0 <= scores["AP"] <= 1


def test_pairs_of_a_shell_command():
    assert flip_order(parse_pairs("0-1,3-2"), [], 5) == (1, 0, 3, 2, 4)
    assert flip_order(parse_pairs("none"), [], 3) == (0, 1, 2)
    for text in ("0", "0-1-2", "a-b", "0-1;2-3", ""):
        with pytest.raises(ValueError, match="--flip-pairs: expected pairs of joints such as"):
            parse_pairs(text)
