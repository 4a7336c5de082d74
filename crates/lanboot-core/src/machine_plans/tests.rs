//! Tests of plans.

use super::*;
use crate::images::Transport;
use crate::loaders::LoaderKind;
use crate::machine::{Mac, Uuid};

const MAC: Mac = Mac([0x52, 0x54, 0, 0, 0, 1]);
const UUID: Uuid = Uuid([7; 16]);

fn machine() -> Identity<'static> {
    Identity {
        mac: MAC,
        uuid: Some(UUID),
        serial: Some("ABC-17"),
        asset_tag: None,
    }
}

fn fields(keys: &[(&str, &str)]) -> PlanFields {
    let mut fields = PlanFields::default();
    for (key, value) in keys {
        fields.set(key, Some(value)).unwrap();
    }
    fields
}

fn rule(line: u32, matcher: Matcher, groups: &[&str], keys: &[(&str, &str)]) -> Rule {
    Rule {
        place: format!("lanboot.toml:{line}"),
        matcher,
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        fields: fields(keys),
    }
}

fn group(name: &str, groups: &[&str], keys: &[(&str, &str)]) -> Group {
    Group {
        place: format!("lanboot.toml:{name}"),
        name: name.to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        fields: fields(keys),
    }
}

fn by_mac(text: &str) -> Matcher {
    Matcher {
        mac: Some(Pattern::of_mac(text)),
        ..Matcher::default()
    }
}

fn boots(rules: &Rules, state: Option<&PlanState>) -> String {
    let plan = Plan::new(&machine(), rules, state, &Start::Menu);
    plan.boot.to_string()
}

#[test]
fn every_key_is_listed_as_it_was_set() {
    let all = [
        ("boot", "install:debian-13"),
        ("transport", "nbd"),
        ("append", "console=ttyS0 quiet"),
        ("loader", "ipxe-native"),
    ];
    let set = fields(&all);
    let listed = set.list();
    let listed: Vec<(&str, &str)> = listed.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(listed, all);
    assert_eq!(set.transport, Some(Transport::Nbd));
    assert_eq!(set.loader, Some(LoaderKind::IpxeNative));
    assert_eq!(set.boot, Some(Start::Install("debian-13".into())));
    let mut none = set;
    for (key, _) in all {
        none.set(key, None).unwrap();
    }
    assert!(none.is_empty());
    assert_eq!(KEYS.len(), all.len());
}

#[test]
fn a_bad_value_changes_nothing_and_says_what_would_be_right() {
    for (key, value, part) in [
        ("bot", "disk", "there is no key 'bot'; did you mean 'boot'?"),
        ("x\ny", "1", "there is no key 'x\\ny'; keys: boot, "),
        ("boot", "", "boot: '' is not the name of an entry or image"),
        ("boot", "a\nb", "boot: 'a"),
        (
            "transport",
            "nsf",
            "transport: 'nsf' is none of http, nfs, nbd; did you mean",
        ),
        (
            "append",
            "a\ninitrd=/b",
            "append: '\\n' cannot stand on a kernel command line",
        ),
    ] {
        let mut set = fields(&[("boot", "disk")]);
        let error = set.set(key, Some(value)).unwrap_err().to_string();
        assert!(error.contains(part), "{key}={value:?}: {error}");
        assert_eq!(set, fields(&[("boot", "disk")]));
    }
}

#[test]
fn patterns_fit_as_a_shell_would_say() {
    for (pattern, text, fits) in [
        ("", "", true),
        ("abc", "ABC", true),
        ("abc", "abcd", false),
        ("a*", "abcd", true),
        ("*d", "abcd", true),
        ("a*c", "abcd", false),
        ("a*b*d", "axxbxxbxd", true),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*", "", true),
        ("**", "x", true),
        ("52:54:00:*", "52:54:00:00:00:01", true),
    ] {
        assert_eq!(
            Pattern::new(pattern).matches(text),
            fits,
            "{pattern} {text}"
        );
    }
    // Linear backtracking: no pattern takes exponential time.
    let pattern = "a*".repeat(60) + "b";
    assert!(!Pattern::new(&pattern).matches(&"a".repeat(2000)));
}

#[test]
fn the_first_layer_with_a_key_counts() {
    let uuid = Matcher {
        uuid: Some(UUID),
        ..Matcher::default()
    };
    let serial = |text| Matcher {
        serial: Some(Pattern::new(text)),
        ..Matcher::default()
    };
    let rules = Rules::new(
        vec![
            rule(
                1,
                by_mac("52:54:*"),
                &[],
                &[("append", "pattern"), ("boot", "p")],
            ),
            rule(2, serial("abc-*"), &["lab"], &[("append", "later pattern")]),
            rule(
                3,
                serial("ABC-17"),
                &[],
                &[("append", "serial"), ("transport", "nfs")],
            ),
            rule(4, uuid, &[], &[("append", "uuid")]),
            rule(
                5,
                by_mac("52:54:00:00:00:01"),
                &["school"],
                &[("append", "mac")],
            ),
            rule(
                6,
                by_mac("52:54:00:00:00:02"),
                &[],
                &[("append", "another")],
            ),
        ],
        vec![
            group("school", &["base"], &[("loader", "ipxe")]),
            group("base", &[], &[("loader", "grub"), ("transport", "http")]),
            group("lab", &["base"], &[("loader", "iso")]),
        ],
    )
    .unwrap();
    let plan = Plan::new(&machine(), &rules, None, &Start::Disk);
    let found = plan.candidates();
    let counts: Vec<String> = found
        .iter()
        .filter(|candidate| candidate.counts)
        .map(|c| format!("{}={} {}", c.key, c.value, c.origin))
        .collect();
    assert_eq!(
        counts,
        [
            "append=mac [[machine]] at lanboot.toml:5",
            "transport=nfs [[machine]] at lanboot.toml:3",
            "boot=p [[machine]] at lanboot.toml:1",
            "loader=ipxe group 'school' at lanboot.toml:school",
        ]
    );
    let others = found.iter().filter(|candidate| !candidate.counts);
    assert_eq!(others.count(), 8);
    assert_eq!(plan.append.as_deref(), Some("mac"));
    assert_eq!(plan.loader, Some(LoaderKind::Ipxe));
    // A machine of whom only the hardware address is known.
    let bare = Identity {
        mac: Mac([2; 6]),
        uuid: None,
        serial: None,
        asset_tag: None,
    };
    let plan = Plan::new(&bare, &rules, None, &Start::Disk);
    assert_eq!((plan.boot.clone(), plan.is_made()), (Start::Disk, false));
}

#[test]
fn an_installation_is_done_once_and_can_be_asked_for_again() {
    let rules = Rules::new(
        vec![rule(
            1,
            by_mac("52:54:00:00:00:01"),
            &[],
            &[("boot", "install:debian-13")],
        )],
        Vec::new(),
    )
    .unwrap();
    let mut state = PlanState::default();
    assert_eq!(boots(&rules, Some(&state)), "install:debian-13");
    state.finish("debian-13");
    assert_eq!(boots(&rules, Some(&state)), "disk");
    let plan = Plan::new(&machine(), &rules, Some(&state), &Start::Menu);
    assert_eq!(plan.install.as_deref(), Some("debian-13"));
    // Another entry is started once, and leaves the disk alone afterwards.
    state.start_next(Start::Entry("memtest".into()));
    assert_eq!(boots(&rules, Some(&state)), "memtest");
    state.next = None;
    assert_eq!(boots(&rules, Some(&state)), "disk");
    state.start_next(Start::Entry("debian-13".into()));
    assert_eq!(boots(&rules, Some(&state)), "debian-13");
    state.next = None;
    assert_eq!(boots(&rules, Some(&state)), "install:debian-13");
    // An entry of an earlier plan is another installation.
    state.finish("debian-12");
    assert_eq!(boots(&rules, Some(&state)), "install:debian-13");
}

#[test]
fn rules_that_make_no_sense_are_refused_with_their_place() {
    let mac = || by_mac("52:54:00:00:00:01");
    let one = |matcher, groups: &[&str]| rule(2, matcher, groups, &[]);
    for (rules, groups, part) in [
        (
            vec![one(Matcher::default(), &[])],
            vec![],
            "names no machine",
        ),
        (
            vec![
                rule(1, by_mac("52-54-00-00-00-01"), &[], &[]),
                one(mac(), &[]),
            ],
            vec![],
            "same machine as that of lanboot.toml:1",
        ),
        (
            vec![rule(1, by_mac("52:*"), &[], &[]), one(by_mac("52:*"), &[])],
            vec![],
            "same machine as that of lanboot.toml:1",
        ),
        (
            vec![one(mac(), &["schol"])],
            vec![group("school", &[], &[])],
            "there is no group 'schol'; did you mean 'school'?",
        ),
        (
            vec![],
            vec![group("a", &[], &[]), group("a", &[], &[])],
            "there already",
        ),
        (
            vec![],
            vec![group("a", &["b"], &[]), group("b", &["a"], &[])],
            "is in itself",
        ),
        (
            vec![],
            vec![group("a", &["a"], &[])],
            "the group 'a' is in itself",
        ),
    ] {
        let (place, error) = Rules::new(rules, groups).unwrap_err();
        assert!(place.starts_with("lanboot.toml:"), "{place}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn the_table_is_bounded_and_forgets_what_is_empty() {
    let mac = |n: usize| {
        let [.., a, b] = n.to_be_bytes();
        Mac([2, 0, 0, 0, a, b])
    };
    let state = PlanState {
        next: Some(Start::Disk),
        ..PlanState::default()
    };
    let mut table = PlanTable::restore((0..MAX_PLANS + 9).map(|n| (mac(n), state.clone())));
    assert_eq!(table.list().count(), MAX_PLANS);
    assert_eq!(
        table.check(&[(mac(MAX_PLANS), Some(state.clone()))]),
        Err(TooManyPlans)
    );
    assert_eq!(table.check(&[(mac(0), Some(state))]), Ok(()));
    table.apply(vec![(mac(0), Some(PlanState::default())), (mac(1), None)]);
    assert_eq!(table.list().count(), MAX_PLANS - 2);
    assert_eq!(table.get(mac(0)), None);
}
