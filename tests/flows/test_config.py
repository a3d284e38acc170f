"""Settings: what is wrong is said in one line that names it."""

import pytest

from flows.config import ConfigError, load_config, parse_overrides


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("network.betas=[0]", "network.betas.0: .*greater than or equal to 0.000001, got 0"),
        ("network.betas=[-0.1]", "network.betas.0: .*greater than or equal to 0.000001, got -0.1"),
        ("network.widths=[]", "network.widths: .*at least 1 item"),
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
        ("study=shift_sweap", r"study must be one of shift_sweep.*did you mean shift_sweep"),
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
    [("a: [1", "sweep.yaml:.*not YAML"), ("- 1", "must be a mapping"), ("name: x", "shifts: field required")],
)
def test_a_wrong_file_is_one_line(tmp_path, text, expected):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        load_config(str(path))


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
