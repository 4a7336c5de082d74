//! Malformed and random calls.

use nfs3_types::nfs3::{LOOKUP3args, READ3args};
use proptest::prelude::*;

use super::*;

/// Returns a valid call of every kind.
fn calls(world: &World) -> Vec<Vec<u8>> {
    let handle = world.handle("arch/vmlinuz");
    let mut calls = Vec::new();
    for procedure in 0..23 {
        // Arguments long enough for every procedure.
        let mut call = world.call(100_003, 3, procedure, &handle);
        call.extend(packed(&Opaque::borrowed(b"name")));
        call.extend([0; 64]);
        calls.push(call);
    }
    let what = named(world.handle("arch"), b"vmlinuz");
    calls.push(world.call(100_003, 3, 3, &LOOKUP3args { what }));
    let args = READ3args {
        file: handle,
        offset: 2,
        count: 3,
    };
    calls.push(world.call(100_003, 3, 6, &args));
    for version in 1..=4 {
        for procedure in 0..11 {
            let path = Opaque::borrowed(b"/iso/test/arch");
            calls.push(world.call(100_005, version, procedure, &path));
            let mut call = world.call(100_000, version, procedure, &100_003u32);
            for word in [3u32, 6, 0, 0, 0] {
                call.extend(word.to_be_bytes());
            }
            calls.push(call);
        }
    }
    calls
}

fn throw(world: &mut World, message: &[u8]) {
    for port in [Port::Nfs, Port::Portmap] {
        for over in [Over::Tcp, Over::Udp] {
            world.port = port;
            world.over = over;
            if let Ok(answer) = world.answer(message) {
                // The reply is well-formed for any input.
                let xid = u32::from_be_bytes(*message.first_chunk().unwrap());
                world.reply_to(xid, &answer);
            }
        }
    }
}

#[test]
fn strings_past_the_end_are_garbage_arguments() {
    let mut world = world();
    for len in [16u32, 255, 1024, 65_536, 0x7fff_ffff, u32::MAX] {
        let mut lookup = world.call(100_003, 3, 3, &world.handle("arch"));
        lookup.extend(len.to_be_bytes());
        lookup.extend(b"vmlinuz!");
        let mut mount = world.call(100_005, 3, 1, &len);
        mount.extend(b"/iso");
        let mut handle = world.call(100_003, 3, 1, &len);
        handle.extend([0; 8]);
        for message in [lookup, mount, handle] {
            world.port = Port::Nfs;
            let answer = world.answer(&message).unwrap();
            let (body, _) = world.reply(&answer);
            let reply_body::MSG_ACCEPTED(accepted) = body else {
                panic!("{body:?}");
            };
            let garbage = matches!(accepted.reply_data, accept_stat_data::GARBAGE_ARGS);
            assert!(garbage, "{len}");
            throw(&mut world, &message);
        }
    }
}

#[test]
fn truncated_calls_are_garbage_or_ignored() {
    let mut world = world();
    for call in calls(&world) {
        for len in 0..call.len() {
            throw(&mut world, &call[..len]);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        throw(&mut world(), &message);
    }

    #[test]
    fn calls_with_a_few_wrong_bytes_never_panic(
        which in any::<prop::sample::Index>(),
        wrong in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut world = world();
        let mut call = which.get(&calls(&world)).clone();
        for (at, value) in wrong {
            let at = at.index(call.len());
            call[at] = value;
        }
        throw(&mut world, &call);
    }

    #[test]
    fn calls_with_odd_words_never_panic(
        which in any::<prop::sample::Index>(),
        wrong in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            Just(u32::MAX), Just(0x7fff_ffff), Just(0x8000_0000), 0..70u32
        ]), 1..4),
    ) {
        let mut world = world();
        let mut call = which.get(&calls(&world)).clone();
        for (at, value) in wrong {
            let at = at.index(call.len() / 4) * 4;
            call[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        throw(&mut world, &call);
    }
}
