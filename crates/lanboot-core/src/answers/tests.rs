//! Tests of templates: what they make, and how they fail.

use std::collections::BTreeMap;

use super::*;
use crate::machine::Mac;

fn templates(files: &[(&str, &str)]) -> Result<Templates, TemplateError> {
    let files = files.iter().map(|(name, text)| {
        let name = TemplateName::parse(name).unwrap();
        (name, (*text).to_owned())
    });
    Templates::parse(files.collect())
}

fn context() -> AnswerContext {
    let variables = [("disk", "/dev/vda"), ("quote", "it's \"so\" & <so>")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    AnswerContext::sample(variables.into())
}

fn secrets() -> Secrets {
    let mut secrets = Secrets::default();
    secrets.insert("root", "hunter2\n");
    secrets
}

fn key() -> TokenKey {
    TokenKey::new([7; 32])
}

fn render(text: &str) -> Result<String, TemplateError> {
    let templates = templates(&[("a.cfg", text)])?;
    templates.render("a.cfg", &context(), &secrets(), &key())
}

fn said(text: &str) -> String {
    render(text).unwrap_err().to_string()
}

#[test]
fn values_are_written_and_lines_with_only_tags_are_none() {
    let text = "\
host {{ machine.host_name }}
{% if machine.firmware == \"uefi\" %}
disk {{ variables.disk }}
{% endif %}
dns {{ network.dns | join(\" \") }}
";
    assert_eq!(
        render(text).unwrap(),
        "host sample\ndisk /dev/vda\ndns 192.0.2.53\n"
    );
    assert_eq!(render("no newline").unwrap(), "no newline");
}

#[test]
fn every_documented_variable_has_a_value_in_the_sample() {
    for (name, _) in VARIABLES {
        let name = name.replace("variables.NAME", "variables.disk");
        let made = render(&format!("{{{{ {name} }}}}"));
        assert!(made.is_ok_and(|text| !text.is_empty()), "{name}");
    }
}

#[test]
fn a_missing_variable_is_named_with_file_line_and_the_nearest_one() {
    assert_eq!(
        said("\n\nd-i {{ variables.dissk }}"),
        "a.cfg:3: there is no variable variables.dissk; did you mean variables.disk?"
    );
    assert_eq!(
        said("\n{{ host_name }}"),
        "a.cfg:2: there is no variable host_name; did you mean machine.host_name?"
    );
    // In a branch that no machine takes.
    assert_eq!(
        said("{% if false %}\n{{ machine.sreial }}{% endif %}"),
        "a.cfg:2: there is no variable machine.sreial; did you mean machine.serial?"
    );
}

#[test]
fn what_is_not_known_of_a_machine_is_an_error_that_a_default_avoids() {
    let mut context = context();
    context.machine.serial = None;
    let render = |text: &str| {
        let templates = templates(&[("a.cfg", text)]).unwrap();
        templates.render("a.cfg", &context, &secrets(), &key())
    };
    let error = render("{{ machine.serial }}").unwrap_err();
    assert_eq!(error.fault, Fault::Unknown("machine.serial".into()));
    let without =
        "{{ machine.serial | default('none') }}{% if machine.serial is defined %}!{% endif %}";
    assert_eq!(render(without).unwrap(), "none");
}

#[test]
fn an_error_in_an_included_file_has_the_place_in_that_file() {
    let files = [
        ("a.cfg", "one\n{% include \"_b.cfg\" %}"),
        ("_b.cfg", "\n\n{{ nothing_like_it_at_all }}"),
    ];
    let templates = templates(&files).unwrap();
    let error = templates.render("a.cfg", &context(), &secrets(), &key());
    let error = error.unwrap_err();
    assert_eq!((error.file.as_str(), error.line), ("_b.cfg", Some(3)));
    let answers: Vec<&str> = templates.answers().collect();
    assert_eq!(answers, ["a.cfg"]);
}

#[test]
fn syntax_errors_have_a_place() {
    let error = templates(&[("a.cfg", "\n{% if %}")]).unwrap_err();
    assert_eq!((error.file.as_str(), error.line), ("a.cfg", Some(2)));
    assert!(matches!(error.fault, Fault::Syntax(_)), "{error}");
    let error = render("{{ 'x' | shel }}").unwrap_err().to_string();
    assert!(error.contains("shel"), "{error}");
}

#[test]
fn nothing_outside_the_folder_can_be_included() {
    for name in ["../a.cfg", "/etc/passwd", "a.cfg/../../etc/passwd"] {
        let error = render(&format!("{{% include \"{name}\" %}}")).unwrap_err();
        assert!(matches!(error.fault, Fault::NoTemplate { .. }), "{error}");
        assert!(TemplateName::parse(name).is_err());
    }
    let bad = ["", "a//b", ".hidden", "a/.b", "a b", "a%2fb", "ä", "a\nb"];
    assert!(
        bad.into_iter()
            .all(|name| TemplateName::parse(name).is_err())
    );
    assert!(TemplateName::parse(&"x".repeat(MAX_NAME + 1)).is_err());
    let error = said("{% include \"_c.cfg\" %}");
    assert_eq!(
        error,
        "a.cfg:1: there is no template '_c.cfg'; did you mean a.cfg?"
    );
}

#[test]
fn recursion_ends() {
    for text in [
        "{% include \"a.cfg\" %}",
        "{% extends \"a.cfg\" %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% import \"a.cfg\" as a %}",
    ] {
        let error = render(text).unwrap_err();
        let is_bounded = matches!(
            error.fault,
            Fault::TooDeep | Fault::OutOfFuel | Fault::Refused(_)
        );
        assert!(is_bounded, "{text}: {error:?}");
    }
}

#[test]
fn a_rendering_that_would_be_huge_is_stopped_on_its_way() {
    for text in [
        "{{ 'x' * 100000000 }}",
        "{% for i in range(100000) %}{% for j in range(1000) %}xxxxxxxxxx{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='xx') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x='xx') %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x]|join %}{% endfor %}",
        "{% for i in range(100000) %}{% set x %}{{ 'x' * 100000 }}{% endset %}{% endfor %}",
        "{% for i in range(100) %}{{ 'a' | crypt }}{% endfor %}",
    ] {
        let error = render(text).unwrap_err();
        let is_bounded = matches!(error.fault, Fault::TooLarge | Fault::OutOfFuel);
        assert!(is_bounded, "{text}: {error:?}");
    }
    let most = format!("{{{{ 'x' * {MAX_RENDERED} }}}}");
    assert_eq!(render(&most).unwrap().len(), MAX_RENDERED);
    let more = format!("{{{{ 'x' * {} }}}}", MAX_RENDERED + 1);
    assert_eq!(render(&more).unwrap_err().fault, Fault::TooLarge);
    let long = templates(&[("a", &"x".repeat(MAX_SOURCE + 1))]);
    assert!(long.is_err());
}

#[test]
fn a_secret_is_only_where_the_template_puts_it() {
    let secrets = secrets();
    assert_eq!(render("{{ secret('root') }}").unwrap(), "hunter2");
    let templates = templates(&[("a.cfg", "{{ secret('root') }}")]).unwrap();
    let masked = templates.render("a.cfg", &context(), &secrets.masked(), &key());
    assert_eq!(masked.unwrap(), "********");
    assert!(!format!("{secrets:?}").contains("hunter2"));
    assert_eq!(
        said("{{ secret('rot') }}"),
        "a.cfg:1: there is no secret 'rot' in [secrets] or among the service's credentials; did you mean root?"
    );
    for text in [
        "{{ secret('root') | int }}",
        "{{ secret('root') | crypt(secret('root')) }}",
        "{{ secret(secret('root') ~ 'x') }}",
        "{{ secret('root') + 1 }}",
        "{{ secret('root').x.y }}",
        "{% include secret('root') %}",
        "{{ secret('root') | nothing }}",
        "{{ 1 | round(secret('root')) }}",
    ] {
        let error = render(text).map_err(|error| format!("{error} {error:?}"));
        assert!(
            !error.clone().is_err_and(|e| e.contains("hunter2")),
            "{error:?}"
        );
    }
}

#[test]
fn crypt_makes_the_same_hash_again_and_another_for_another_machine() {
    let text =
        "{{ secret('root') | crypt }} {{ secret('root') | crypt('yescrypt') }} {{ 'x' | crypt }}";
    let first = render(text).unwrap();
    assert_eq!(first, render(text).unwrap());
    let hashes: Vec<&str> = first.split(' ').collect();
    assert!(
        hashes[0].starts_with("$6$") && hashes[1].starts_with("$y$j9T$"),
        "{first}"
    );
    let mut context = context();
    context.machine.mac = "52:54:00:00:00:02".into();
    let templates = templates(&[("a.cfg", text)]).unwrap();
    let other = templates
        .render("a.cfg", &context, &secrets(), &key())
        .unwrap();
    assert_ne!(first, other);
    assert!(said("{{ 'x' | crypt('md5') }}").contains("sha512"));
    assert!(said("{{ ('x' * 600) | crypt }}").contains("511"));
}

#[test]
fn a_line_break_gets_into_no_kernel_argument_and_no_preseed_line() {
    for text in [
        "{{ 'a\nb' | argument }}",
        "{{ 'a\nb' | preseed }}",
        "{{ 'a\\\\' | preseed }}",
    ] {
        let error = render(text).unwrap_err();
        assert!(matches!(error.fault, Fault::Refused(_)), "{error:?}");
    }
    assert_eq!(render("{{ 'a b' | argument }}").unwrap(), "\"a b\"");
    assert_eq!(render("{{ 'a b' | preseed }}").unwrap(), "a b");
}

#[test]
fn a_set_is_a_folder_or_files_with_its_name_in_front() {
    let files = [
        ("web/preseed.cfg", ""),
        ("db.preseed.cfg", ""),
        ("web.user-data", ""),
    ];
    let templates = templates(&files).unwrap();
    assert_eq!(
        templates.of_set("web", "preseed.cfg"),
        Some("web/preseed.cfg")
    );
    assert_eq!(
        templates.of_set("db", "preseed.cfg"),
        Some("db.preseed.cfg")
    );
    assert_eq!(templates.of_set("web", "user-data"), Some("web.user-data"));
    assert_eq!(templates.of_set("db", "user-data"), None);
}

#[test]
fn a_token_is_one_machines_and_no_other_text_is_one() {
    let (mac, other) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
    let token = key().token(mac);
    let text = token.to_string();
    assert_eq!(text.len(), 52);
    assert_eq!(Token::parse(text.as_bytes()), Some(token));
    assert_eq!(key().check(&token), Some(mac));
    assert_eq!(TokenKey::new([8; 32]).check(&token), None);
    // Another machine with this one's secret.
    let stolen = format!("{}{}", other.to_string().replace(':', ""), &text[12..]);
    let stolen = Token::parse(stolen.as_bytes()).unwrap();
    assert_eq!(key().check(&stolen), None);
    for at in 0..text.len() {
        let mut guess = text.clone().into_bytes();
        guess[at] = if guess[at] == b'0' { b'1' } else { b'0' };
        let guess = Token::parse(&guess).unwrap();
        assert_eq!(key().check(&guess), None);
    }
    let bad = [
        text.to_uppercase(),
        text[1..].to_owned(),
        format!("{text}0"),
        "é".repeat(26),
    ];
    assert!(
        bad.iter()
            .all(|text| Token::parse(text.as_bytes()).is_none())
    );
}

/// The URL and the arguments of every format.
#[test]
fn formats_have_the_arguments_that_installers_read() {
    let url = "http://192.0.2.1/machine/T/answers";
    let shown = |format: Format| {
        let file = format.files()[0].name;
        format!(
            "{}: {}",
            format.name(),
            format.arguments(url, file).join(" ")
        )
    };
    let all: Vec<String> = Format::all().map(shown).collect();
    let expected = [
        "preseed: auto=true priority=critical url=http://192.0.2.1/machine/T/answers/preseed.cfg",
        "kickstart: inst.ks=http://192.0.2.1/machine/T/answers/ks.cfg",
        "cloud-init: ds=nocloud;s=http://192.0.2.1/machine/T/answers/",
        "AutoYaST: autoyast=http://192.0.2.1/machine/T/answers/autoinst.xml",
        "Agama: inst.auto=http://192.0.2.1/machine/T/answers/agama.json",
        "ignition: ignition.firstboot ignition.platform.id=metal \
         ignition.config.url=http://192.0.2.1/machine/T/answers/config.ign",
        "autounattend: ",
        "Alpine answers: ",
        "archinstall: script=http://192.0.2.1/machine/T/answers/archinstall.sh",
    ];
    assert_eq!(all, expected);
    let mut names: Vec<&str> = Format::all()
        .flat_map(Format::files)
        .map(|f| f.name)
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn a_rendered_file_that_is_not_of_its_language_is_a_flaw() {
    let flaw = |name: &str, text: &str| Format::of_file(name).unwrap().1.flaw(text);
    let good = [
        (
            "autoinst.xml",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE profile>\n<profile xmlns=\"x\"/>",
        ),
        ("agama.json", "{\"a\": 1}"),
        ("config.ign", "{}"),
        ("user-data", "#cloud-config\na: [1, 2]\n"),
        ("user-data", "#!/bin/sh\n: {\n"),
        ("meta-data", ""),
        ("meta-data", "instance-id: a\n"),
        ("preseed.cfg", "d-i a b string c\n"),
    ];
    for (name, text) in good {
        assert_eq!(flaw(name, text), None, "{name}: {text}");
    }
    let bad = [
        ("autoinst.xml", "<a><b></a>"),
        ("autoinst.xml", "<a>&lt</a>"),
        ("agama.json", "{a: 1}"),
        ("config.ign", "{\"a\": 1,}"),
        ("user-data", "#cloud-config\na: [1, 2\n"),
        ("user-data", "a: 1\n"),
        ("meta-data", "a: b: c: d\n"),
        ("preseed.cfg", "\n \n"),
    ];
    for (name, text) in bad {
        assert!(flaw(name, text).is_some(), "{name}: {text}");
    }
    let deep = format!("#cloud-config\na: {}\n", "[".repeat(5000));
    assert!(flaw("user-data", &deep).is_some());
    assert!(flaw("agama.json", &"[".repeat(100_000)).is_some());
    let deep = "<a>".repeat(100_000);
    assert!(flaw("autoinst.xml", &deep).is_some());
}

#[test]
fn no_text_makes_a_filter_panic() {
    let nasty = "\u{0}\u{1}\u{7f}\u{85}\u{2028}\u{feff}\u{ffff}\u{1f600}'\"\\\n\r\t{{}}<&>";
    let mut context = context();
    context.variables = BTreeMap::from([("x".to_owned(), nasty.to_owned())]);
    for (filter, _) in FILTERS {
        let text = format!("{{{{ variables.x | {filter} }}}}{{{{ [variables.x] | {filter} }}}}");
        let templates = templates(&[("a.cfg", &text)]).unwrap();
        // An error or a text.
        let _ = templates.render("a.cfg", &context, &secrets(), &key());
    }
}
