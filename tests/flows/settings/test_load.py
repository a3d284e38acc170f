"""Settings: what is wrong is said in one line that names it."""

import pytest

from flows.settings.load import load_config
from flows.settings.overrides import as_texts, parse_overrides
from flows.settings.settings import ConfigError


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("network.betas=[0]", "network.betas.0: .*greater than or equal to 0.000001, got 0"),
        ("network.betas=[-0.1]", "network.betas.0: .*greater than or equal to 0.000001, got -0.1"),
        ("network.widths=[]", "network: widths must name at least one hidden layer, got .."),
        ("shifts.0.sizes=[1.5]", r"sizes in TV must be in \[0, 1\], got 1.5"),
        ("shifts.1.sizes=[9]", r"hamming_tilt.*reaches KL 0 and .*8.3177\d+\], asked for 9"),
        ("shifts.1.family=hamming_tlt", "did you mean hamming_tilt"),
        ("shifts.0.sizes=[0.1, 0.1]", "distinct, got 0.1 more than once"),
        ("shifts.0.parameters={atm: 3}", "did you mean atom"),
        ("shifts.0.parameters={atom: a.csv#x}", "atom must be a whole number, got .a.csv#x."),
        ("shifts.0={family: law_mixture, sizes: [0.1]}", "law_mixture.*missing.*weight"),
        ("shifts.0={family: law_mixture, sizes: [0.1], parameters: {weight: no.csv#x}}", "law_mixture.*No such file"),
        ("shifts.0={family: law_tilt, sizes: [0.1], parameters: {weight: 3}}", "weight must be a file, as path#column"),
        ("worst_case.tv=[0.0]", "worst_case.tv.0: .*greater than 0, got 0"),
        ("name=../x", "name: .*got '../x'"),
        ("network.betaz=[1]", "did you mean betas"),
        ("study=shift_sweap", r"study must be one of .*did you mean shift_sweep"),
        ("study=[1]", r"study must be one of .*got \[1\]"),
        ("estimator.passes=3", "estimator.passes: unknown setting"),
        ("training.epochs=many", "training.epochs: .*got 'many'"),
        ("estimator.target_stderr=.nan", "target_stderr"),
        (f"network.seeds={list(range(10_000))}", r"the grid has [\d,]+ estimates.*max_cells allows 100,000"),
        ("shifts.9.sizes=[0]", "no such place"),
        ("oops", "key=value"),
    ],
)
def test_a_wrong_setting_is_one_line(override, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        load_config("szt", parse_overrides([override]))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a: [1", "sweep.yaml:.*not YAML"), ("- 1", "must be a mapping"), ("shifts: []", "name: field required")],
)
def test_a_wrong_file_is_one_line(tmp_path, text, expected):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        load_config(str(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training:\n  epochs: 3\n  epochs: 4\n", "sweep.yaml:3: training.epochs: must be given once, .* line 2"),
        ("training: {epochs: 3, epochs: 3}", "training.epochs: must be given once"),
        ("training: {epochs: yes}", "training.epochs: must be a valid integer, got 'yes'"),
        ("training: {epochs: true}", "training.epochs: must be a valid integer, got true"),
        ("training: {epochs: '7'}", "training.epochs: must be a valid integer, got '7'"),
        ("training: {epochs: 7.0}", "training.epochs: must be a valid integer, got 7.0"),
        ("training: {epochs: 1:30}", "training.epochs: must be a valid integer, got '1:30'"),
        ("training: {epochs: 010}", "training.epochs: must be a valid integer, got '010'"),
        ("training: {epochs: 0x10}", "training.epochs: must be a valid integer, got '0x10'"),
        ("training: {epochs: 1_000}", "training.epochs: must be a valid integer, got '1_000'"),
        ("training: {epochs: 2024-01-01}", "training.epochs: must be a valid integer, got '2024-01-01'"),
        ("training: {epochs: null}", "training.epochs: must be a valid integer, got null"),
        ("training: {learning_rate: on}", "training.learning_rate: must be a valid number, got 'on'"),
        ("training: {learning_rate: .inf}", "training.learning_rate: must be a finite number, got inf"),
        ("training: {learning_rate: 1e-400}", "learning_rate: must be a number that float64 can hold, got 1e-400"),
        ("estimator:\nname: x", "estimator: must be a mapping of settings, got null"),
        ("training:\nname: x", "training must not be none for mlp, whose weights come from training"),
        ("training: &t {epochs: 3}", "training: must be written out, got the anchor or alias t"),
        ("training: {<<: {epochs: 3}}", "training: must be written out, got the merge key <<"),
        ("training: {epochs: !!int '3'}", "training.epochs: must be a value without a tag, got !!int"),
        ("training:\n\tepochs: 3", "sweep.yaml:2: not YAML: .*'.t'"),
        ("name: x\n---\nname: y", "sweep.yaml:2: must be one document"),
        ("? [name]\n: x", "names of settings must be plain words"),
        ("name: 7", "name: must be a valid string, got 7"),
        ('name: x\n"a\\nb": 7', r"a\\nb: unknown setting"),
        ("", "must be a mapping of settings, got null"),
        ("name: \0", "not YAML: character .* is not allowed"),
    ],
)
def test_what_yaml_would_make_something_else_of_is_one_line(tmp_path, text, expected):
    path = tmp_path / "sweep.yaml"
    path.write_text(text if "name" in text or not text else f"{text}\nname: x")
    with pytest.raises(ConfigError, match=expected) as error:
        load_config(str(path), {"shifts": [{"family": "hamming_tilt", "sizes": [0.1]}]})
    assert str(error.value).isprintable()


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_bytes("name: é".encode("latin-1"))
    with pytest.raises(ConfigError, match="must be text in UTF-8, byte 6 is not"):
        load_config(str(path))
    with pytest.raises(ConfigError, match="found no file"):
        load_config("x" * 5000 + ".yaml")


@pytest.mark.parametrize("word", ["on", "no", "010", "1e", "2024-01-01"])
def test_a_plain_word_is_the_text_that_stands_there(word):
    assert load_config("szt", parse_overrides([f"name={word}"])).name == word


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["training.epochs=3", "training={}"], "--set training: must come .* got --set training.epochs before it"),
        (["training.epochs=3", "training.epochs=4"], "--set training.epochs: must come once .* got it twice"),
        (["training.epochs="], "--set training.epochs: must have a value, null for none, got ''"),
        (["estimator.max_draws=#"], "--set estimator.max_draws: must have a value"),
        (["shifts.-1.sizes=[0]"], "shifts has 4 items, there is no such place in it as '-1'"),
        (["name.x=3"], "name is 'szt', there is no such place in it as 'x'"),
        (["training.epochs=ten"], "^--set training.epochs: must be a valid integer, got 'ten'"),
        (["training={epochs: ten}"], "^--set training.epochs: must be a valid integer, got 'ten'"),
        (["training.epoch=3"], "^--set training.epoch: unknown setting .did you mean epochs"),
        (["training.epochs=3", "shifts.0.sizes=3"], "^--set shifts.0.sizes: must be"),
        (["training={epochs: 1, epochs: 2}"], "--set training: epochs: must be given once"),
    ],
)
def test_an_override_that_would_be_lost_or_has_no_place_is_one_line(overrides, expected):
    with pytest.raises(ConfigError, match=expected):
        load_config("szt", parse_overrides(overrides))


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (
            "{family: direction_displacement, sizes: [0.1], parameters: {column: 12}}",
            "parameters .* 12 coord.*, got 12",
        ),
        ("{family: direction_displacement, sizes: [0.1], parameters: {column: 1.0}}", "column must be a whole number"),
        ("{family: direction_displacement, sizes: [0.1], parameters: {column: true}}", "a whole number, got true"),
        ("{family: gaussian_displacement, sizes: [0.1], parameters: {seed: [1]}}", r"a whole number, got \[1\]"),
        ("{family: gaussian_displacement, sizes: [0.1], parameters: {seed: null}}", "a whole number, got null"),
        ("{family: feature_tilt, sizes: [0.1], parameters: {column: -13}}", "parameters .* 12 coordinates, got -13"),
        ("{family: contamination, sizes: [0.1], parameters: {atom: 4096}}", "parameters .* 4096 atoms, got 4096"),
        ("{family: law_mixture, sizes: [0.1], parameters: {weight: laws.csv}}", "as path#column, got 'laws.csv'"),
    ],
)
def test_every_family_checks_its_parameters_when_a_sweep_is_planned(shift, expected):
    with pytest.raises(ConfigError, match=expected):
        load_config("szt", parse_overrides([f"shifts=[{shift}]"]))


def test_parameters_that_a_family_takes_are_planned():
    shift = "{family: direction_displacement, sizes: [0.1], parameters: {column: %s}}"
    for column in (11, -12, "null"):
        load_config("szt", parse_overrides([f"shifts.3={shift % column}"]))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x,y\n1,2\n", b"w\na\n", b"w\n1\n"])
def test_a_file_of_a_parameter_that_is_no_law_is_one_line(tmp_path, content):
    path = tmp_path / "laws.csv"
    path.write_bytes(content)
    shift = {"family": "law_mixture", "sizes": [0.1], "parameters": {"weight": f"{path}#w"}}
    with pytest.raises(ConfigError, match=r"shifts.3.parameters .law_mixture.: ") as error:
        load_config("szt", {"shifts.3": shift})
    assert str(error.value).isprintable()


@pytest.mark.parametrize("sweep", ["stz", "no/such.yaml"])
def test_an_unknown_sweep_is_refused(sweep):
    with pytest.raises(ConfigError, match="sweep must be"):
        load_config(sweep)


def test_overrides_reach_their_place():
    config = load_config("szt", parse_overrides(["training.epochs=7", "shifts.0.sizes=[0.0, 0.25]"]))
    assert config.training.epochs == 7 and config.shifts[0].sizes == [0.0, 0.25]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("estimator.slices=atuo", "estimator.slices.kind: .*'auto', 'none', .*got 'atuo'"),
        ("estimator.slices=3", "estimator.slices: must be auto, none or a mapping of kind, k and n, got 3"),
        ("estimator.slices=null", "estimator.slices: must be auto, none or a mapping .* got null"),
        ("estimator.slices={kind: principal, k: 0}", "estimator.slices.k: .*greater than or equal to 1, got 0"),
        ("estimator.slices={kind: random, n: 1}", "estimator.slices.n: .*greater than or equal to 2, got 1"),
        ("estimator.slices={kind: principal, n: 4}", "estimator.slices: n must be left out unless .* random, got n 4"),
        ("estimator.slices={kin: random}", "estimator.slices.kin: unknown setting .did you mean kind"),
    ],
)
def test_a_wrong_choice_of_slices_is_one_line(override, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        load_config("szt", parse_overrides([override]))
    assert "\n" not in str(error.value)


def test_a_name_stands_for_all_settings_of_slices():
    named = load_config("szt", {"estimator.slices": "random"}).estimator.slices
    assert (named.kind, named.k, named.count) == ("random", 2, 8)
    assert load_config("szt", {"estimator.slices": {"kind": "random", "n": 3}}).estimator.slices.count == 3
    assert load_config("szt").estimator.slices == load_config("szt", {"estimator.slices": "auto"}).estimator.slices


@pytest.mark.parametrize(
    "value",
    [1, 2.5, 1e-5, 1e20, True, None, "none", "yes", "null", "1:30", "a b", "é'\"#", "", [0.1, 1e-9], {"a": [1]}],
)
def test_a_change_is_written_as_it_is_read(value):
    (text,) = as_texts({"training.epochs": value})
    assert parse_overrides([text]) == {"training.epochs": value}


def test_settings_know_the_command_that_runs_them():
    config = load_config("szt", {"training.epochs": 7, "network.betas": [0.1, 0.5]})
    assert config.command == "ibshift run szt --set training.epochs=7 --set 'network.betas=[0.1, 0.5]'"
    assert load_config("szt").command == "ibshift run szt"
