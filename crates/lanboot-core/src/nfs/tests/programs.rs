//! RPC, the port mapper and MOUNT.

use nfs3_types::mount::{dirpath, exports, mountlist, mountres3, mountstat3};
use nfs3_types::portmap::mapping;
use nfs3_types::rpc::{auth_flavor, auth_stat, rejected_reply};
use nfs3_types::xdr_codec::List;

use super::*;
use crate::nfs::{Ask, Refusal, ask, mappings, word};

fn path(text: &[u8]) -> dirpath<'_> {
    dirpath(Opaque::borrowed(text))
}

impl World {
    fn mount(&self, version: u32, procedure: u32, args: &impl Pack) -> Answer {
        let message = self.call(100_005, version, procedure, args);
        self.answer(&message).unwrap()
    }

    /// Returns the accept status of a call.
    fn accepted(&self, program: u32, version: u32, procedure: u32) -> accept_stat_data {
        let message = self.call(program, version, procedure, &NOTHING);
        let answer = self.answer(&message).unwrap();
        match self.reply(&answer).0 {
            reply_body::MSG_ACCEPTED(accepted) => accepted.reply_data,
            reply_body::MSG_DENIED(denied) => panic!("{denied:?}"),
        }
    }
}

#[test]
fn unknown_programs_versions_and_procedures_are_errors() {
    use accept_stat_data as A;
    let mut world = world();
    for procedure in [0, 1, 22, u32::MAX] {
        let status = world.accepted(100_227, 3, procedure);
        assert!(matches!(status, A::PROG_UNAVAIL), "NFSACL");
    }
    for program in [0, 100_000, 100_021, u32::MAX] {
        assert!(matches!(world.accepted(program, 3, 0), A::PROG_UNAVAIL));
    }
    for version in [0, 1, 2, 4, u32::MAX] {
        let status = world.accepted(100_003, version, 0);
        assert!(
            matches!(status, A::PROG_MISMATCH { low: 3, high: 3 }),
            "{version}"
        );
    }
    for version in [0, 4] {
        let status = world.accepted(100_005, version, 0);
        assert!(matches!(status, A::PROG_MISMATCH { low: 1, high: 3 }));
    }
    assert!(matches!(world.accepted(100_003, 3, 22), A::PROC_UNAVAIL));
    assert!(matches!(world.accepted(100_005, 3, 6), A::PROC_UNAVAIL));
    assert!(matches!(world.accepted(100_003, 3, 0), A::SUCCESS));
    assert!(matches!(world.accepted(100_003, 3, 1), A::GARBAGE_ARGS));
    world.port = Port::Portmap;
    assert!(matches!(world.accepted(100_003, 3, 0), A::PROG_UNAVAIL));
    let status = world.accepted(100_000, 1, 0);
    assert!(matches!(status, A::PROG_MISMATCH { low: 2, high: 4 }));
    assert!(matches!(world.accepted(100_000, 2, 6), A::PROC_UNAVAIL));
    assert!(matches!(world.accepted(100_000, 3, 9), A::PROC_UNAVAIL));
    assert!(matches!(world.accepted(100_000, 4, 0), A::SUCCESS));
}

#[test]
fn unsupported_nfs_versions_are_reported() {
    let world = world();
    let outcome = |version| {
        let message = world.call(100_003, version, 0, &NOTHING);
        world.answer(&message).unwrap().outcome
    };
    assert_eq!(outcome(4), CallOutcome::Refused(Refusal::NfsVersion(4)));
    assert_eq!(outcome(0), CallOutcome::Nothing);
}

#[test]
fn only_auth_none_and_auth_sys_are_accepted() {
    let mut world = world();
    let mut denied = |flavor: u32, body: Vec<u8>, version: u32| {
        let mut message = world.call(100_003, 3, 0, &NOTHING);
        message.truncate(24);
        message[8..12].copy_from_slice(&version.to_be_bytes());
        message.extend(flavor.to_be_bytes());
        message.extend(packed(&Opaque::owned(body)));
        message.extend([0; 8]);
        world.over = Over::Udp;
        let answer = world.answer(&message).unwrap();
        match world.reply(&answer).0 {
            reply_body::MSG_DENIED(rejected_reply::AUTH_ERROR(status)) => Some(status),
            reply_body::MSG_DENIED(rejected_reply::RPC_MISMATCH { low, high }) => {
                assert_eq!((low, high), (2, 2));
                Some(auth_stat::AUTH_FAILED)
            }
            reply_body::MSG_ACCEPTED(_) => None,
        }
    };
    let sys = user(1, 2, &[3]).body.to_vec();
    let weak = Some(auth_stat::AUTH_TOOWEAK);
    let bad = Some(auth_stat::AUTH_BADCRED);
    assert_eq!(denied(0, vec![], 2), None);
    assert_eq!(denied(1, sys.clone(), 2), None);
    assert_eq!(denied(6, vec![0; 20], 2), weak, "RPCSEC_GSS");
    assert_eq!(denied(2, vec![], 2), weak);
    assert_eq!(denied(1, sys[..sys.len() - 1].to_vec(), 2), bad);
    assert_eq!(denied(1, user(1, 2, &[0; 17]).body.to_vec(), 2), bad);
    assert_eq!(denied(0, vec![0; 401], 2), bad);
    assert_eq!(denied(0, vec![], 3), Some(auth_stat::AUTH_FAILED));
    let _ = auth_flavor::AUTH_NULL;
}

#[test]
fn other_messages_are_not_answered() {
    let world = world();
    let call = world.call(100_003, 3, 0, &NOTHING);
    let mut reply = call.clone();
    reply[7] = 1;
    assert!(
        world.answer(&reply).is_err(),
        "two servers would talk for ever"
    );
    for len in 0..40 {
        assert!(world.answer(&call[..len]).is_err(), "{len}");
    }
    assert!(world.answer(&call[..40]).is_ok());
}

#[test]
fn the_port_mapper_knows_nfs_and_mount() {
    let mut world = world();
    world.port = Port::Portmap;
    let port = |program, version, protocol| {
        let args = mapping {
            prog: program,
            vers: version,
            prot: protocol,
            port: 0,
        };
        let message = world.call(100_000, 2, 3, &args);
        world.results::<u32>(&world.answer(&message).unwrap())
    };
    assert_eq!(port(100_003, 3, 6), 2049);
    assert_eq!(port(100_003, 3, 17), 2049);
    assert_eq!(port(100_005, 1, 6), 2049);
    assert_eq!(port(100_000, 2, 17), 111);
    assert_eq!(port(100_003, 4, 6), 2049, "so that it hears which version");
    assert_eq!(port(100_021, 4, 6), 0, "no locks");
    assert_eq!(port(100_003, 3, 99), 0);
    let message = world.call(100_000, 2, 4, &NOTHING);
    let dump: List<mapping> = world.results(&world.answer(&message).unwrap());
    let listed = |m: &mapping| (m.prog, m.vers, m.prot, m.port) == (100_003, 3, 17, 2049);
    assert!(dump.0.iter().any(listed));
    assert_eq!(dump.0.len(), 14);
}

#[test]
fn registration_and_forwarding_are_rejected() {
    let mut world = world();
    world.port = Port::Portmap;
    let some = mapping {
        prog: 7,
        vers: 7,
        prot: 6,
        port: 7,
    };
    for (version, procedure) in [(2, 1), (2, 2), (3, 1), (4, 2)] {
        let message = world.call(100_000, version, procedure, &some);
        assert_eq!(world.results::<u32>(&world.answer(&message).unwrap()), 0);
    }
    for (version, procedure) in [(2, 5), (3, 5), (4, 5), (4, 10)] {
        let message = world.call(100_000, version, procedure, &some);
        assert_eq!(
            world.answer(&message).unwrap_err(),
            IgnoreReason::Forwarding
        );
    }
}

#[test]
fn rpcbind_gives_addresses() {
    let mut world = world();
    world.port = Port::Portmap;
    let address = |procedure, program: u32, version: u32| {
        let mut args = [packed(&program), packed(&version)].concat();
        for text in ["tcp6", "", "somebody"] {
            args.extend(packed(&Opaque::borrowed(text.as_bytes())));
        }
        let mut message = world.call(100_000, 4, procedure, &NOTHING);
        message.extend(args);
        let found: Opaque<'_> = world.results(&world.answer(&message).unwrap());
        String::from_utf8(found.to_vec()).unwrap()
    };
    assert_eq!(address(3, 100_003, 3), "10.0.0.1.8.1");
    assert_eq!(address(3, 100_003, 4), "10.0.0.1.8.1");
    assert_eq!(address(9, 100_003, 3), "10.0.0.1.8.1");
    assert_eq!(address(9, 100_003, 4), "");
    assert_eq!(address(3, 100_000, 4), "10.0.0.1.0.111");
    assert_eq!(address(3, 7, 4), "");
}

#[test]
fn only_folders_are_mounted() {
    let world = world();
    let mount = |text: &[u8]| world.mount(3, 1, &path(text));
    let answer = mount(b"/iso/test/arch");
    let expected = CallOutcome::Mounted {
        identity: IDENTITY,
        image: IMAGE,
        size: 1 << 30,
        path: b"/iso/test/arch".to_vec(),
    };
    assert_eq!(answer.outcome, expected);
    let mountres3::Ok(ok) = world.results(&answer) else {
        panic!("not mounted");
    };
    assert_eq!(ok.fhandle.0.as_ref(), world.handle("arch").data.as_ref());
    assert_eq!(ok.auth_flavors, [1, 0]);
    for (text, expected) in [
        (&b"/iso/other"[..], mountstat3::MNT3ERR_NOENT),
        (b"", mountstat3::MNT3ERR_NOENT),
        (b"/iso/test/arch/vmlinuz", mountstat3::MNT3ERR_NOTDIR),
        (b"/iso/test/../x", mountstat3::MNT3ERR_ACCES),
        (&[b'/'; 1025], mountstat3::MNT3ERR_NAMETOOLONG),
    ] {
        let answer = mount(text);
        let path = text[..text.len().min(1024)].to_vec();
        assert_eq!(answer.outcome, CallOutcome::NotFound { path });
        let mountres3::Err(status) = world.results(&answer) else {
            panic!("mounted");
        };
        assert_eq!(status as u32, expected as u32, "{text:?}");
    }
}

#[test]
fn a_mount_for_version_2_is_refused() {
    let world = world();
    for version in [1, 2] {
        let answer = world.mount(version, 1, &path(b"/iso/test"));
        assert_eq!(answer.outcome, CallOutcome::Refused(Refusal::OldMount));
        assert_eq!(world.results::<u32>(&answer), 13);
    }
}

#[test]
fn lists_of_exports_and_of_mounts_are_given_in_every_version() {
    let mut world = world();
    for over in [Over::Tcp, Over::Udp] {
        world.over = over;
        for (version, procedure) in [(1, 5), (2, 6), (3, 5)] {
            let answer = world.mount(version, procedure, &NOTHING);
            let found: exports<'_, '_> = world.results(&answer);
            assert_eq!(found.0.len(), 1);
            assert_eq!(found.0[0].ex_dir.0.as_ref(), b"/iso/test");
            assert_eq!(found.0[0].ex_groups.0[0].0.as_ref(), b"10.0.0.0/8");
        }
        let found: mountlist<'_, '_> = world.results(&world.mount(1, 2, &NOTHING));
        assert_eq!(found.0[0].ml_hostname.0.as_ref(), b"10.0.0.7");
        assert_eq!(found.0[0].ml_directory.0.as_ref(), b"/iso/test");
    }
}

#[test]
fn the_list_of_mounts_is_bounded() {
    let world = world();
    let mounted = || {
        let one = |n: u32| Mounted {
            machine: Ipv4Addr::from_bits(n).to_string(),
            path: "x".repeat(250),
        };
        (0..8192).map(one).collect()
    };
    let server = Server {
        handles: &world.handles,
        exports: &world,
        mounted: &mounted,
    };
    let context = CallContext {
        port: Port::Nfs,
        over: Over::Tcp,
        here: Ipv4Addr::new(10, 0, 0, 1),
        nfs_port: 2049,
    };
    let message = world.call(100_005, 3, 2, &NOTHING);
    let answer = answer(&message, context, &server).unwrap();
    let len = answer.reply.head.len();
    assert!((60_000..66_000).contains(&len), "{len}");
    let found: mountlist<'_, '_> = world.results(&answer);
    assert!(found.0.len() > 200, "{}", found.0.len());
}

#[test]
fn unmounts_are_recorded() {
    let world = world();
    let outcome = |procedure, text: &[u8]| world.mount(3, procedure, &path(text)).outcome;
    assert_eq!(outcome(3, b"/iso/test"), CallOutcome::Unmounted(IDENTITY));
    assert_eq!(outcome(3, b"/iso/other"), CallOutcome::Nothing);
    assert_eq!(outcome(4, b""), CallOutcome::UnmountedAll);
}

#[test]
fn calls_to_the_hosts_port_mapper_are_valid() {
    let mut world = world();
    world.port = Port::Portmap;
    world.over = Over::Udp;
    let nfs = mappings(2049).next().unwrap();
    let (port, set) = (ask(7, Ask::Port, nfs), ask(8, Ask::Set, nfs));
    let said = |call: &[u8]| world.answer(call).unwrap().reply.head;
    assert_eq!(word(&said(&port), 7), Some(2049));
    assert_eq!(word(&said(&port), 6), None, "another's answer");
    assert_eq!(word(&said(&set), 8), Some(0), "not with us");
    assert_eq!(word(&[], 8), None);
    assert_eq!(word(&port, 7), None, "a call is no answer");
}
