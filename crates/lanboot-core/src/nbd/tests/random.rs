//! Random dialogues: whatever is sent, in whatever segments, nothing panics, nothing is stored, and
//! every option and request gets exactly one reply.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Sends `bytes` in pieces of `cut` bytes like the shell, keeping what was not consumed. Returns
/// the replies and the reason for the end.
fn talk(bytes: &[u8], cut: usize) -> (Vec<Reply>, Option<RejectReason>) {
    let mut session = Session::new();
    let mut buffer: Vec<u8> = Vec::new();
    let mut replies = Vec::new();
    // The greeting needs no input.
    for piece in [&[][..]].into_iter().chain(bytes.chunks(cut)) {
        buffer.extend(piece);
        loop {
            let mut input = &buffer[..];
            let step = session.advance(&mut input, &Two);
            let taken = buffer.len() - input.len();
            buffer.drain(..taken);
            match step {
                Received::More => break,
                Received::Closed { reply, why, .. } => {
                    replies.push(reply);
                    return (replies, Some(why));
                }
                step => replies.push(reply_of(step)),
            }
        }
        assert!(
            buffer.len() < MAX_MESSAGE_BYTES,
            "{} bytes wait",
            buffer.len()
        );
    }
    (replies, None)
}

/// Generates options that do not end the negotiation.
fn any_option() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        Just(b"disk".to_vec()),
        Just(b"odd".to_vec()),
        Just(Vec::new()),
        vec(any::<u8>(), 0..300),
    ];
    let query = prop_oneof![
        Just(b"base:allocation".to_vec()),
        Just(b"base:".to_vec()),
        vec(any::<u8>(), 0..20),
    ];
    prop_oneof![
        (
            prop_oneof![Just(3u32), Just(6), 8..12u32],
            vec(any::<u8>(), 0..50)
        )
            .prop_map(|(code, data)| option(code, &data)),
        (12..u32::MAX, 0..20_000usize).prop_map(|(code, len)| option(code, &vec![0; len])),
        (name.clone(), vec(0..5u16, 0..6)).prop_map(|(name, wanted)| info(6, &name, &wanted)),
        (9..11u32, name, vec(query, 0..3)).prop_map(|(code, name, queries)| {
            let queries: Vec<&[u8]> = queries.iter().map(Vec::as_slice).collect();
            meta(code, &name, &queries)
        }),
        Just(option(8, b"")),
    ]
}

/// Generates requests that leave the connection open; the cookie is set by the caller.
fn any_request() -> impl Strategy<Value = (u16, u16, u64, u32)> {
    let flags = prop_oneof![3 => Just(0u16), 1 => any::<u16>()];
    let command = prop_oneof![Just(0u16), Just(1), 3..12u16, 3..u16::MAX];
    let offset = prop_oneof![0..SIZE, Just(SIZE), any::<u64>()];
    let len = prop_oneof![0..70_000u32, any::<u32>()];
    (flags, command, offset, len).prop_map(|(flags, command, offset, len)| {
        // A longer write closes the connection.
        let len = if command == 1 { len % 50_000 } else { len };
        (flags, command, offset, len)
    })
}

proptest! {
    #[test]
    fn garbage_never_panics(
        greet in any::<bool>(), bytes in vec(any::<u8>(), 0..500), cut in 1..600usize,
    ) {
        let flags: &[u8] = if greet { &[0, 0, 0, 3] } else { &[] };
        talk(&[flags, &bytes].concat(), cut);
    }

    #[test]
    fn broken_dialogues_never_panic(
        options in vec(any_option(), 0..6), requests in vec(any_request(), 0..6),
        broken in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in 1..5000usize,
    ) {
        let mut bytes = dialogue(&options, b"disk", &requests);
        for (at, byte) in broken {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        talk(&bytes, cut);
    }

    #[test]
    fn every_option_and_every_request_gets_exactly_one_answer(
        options in vec(any_option(), 0..8), odd in any::<bool>(),
        requests in vec(any_request(), 0..20), cut in 1..5000usize,
    ) {
        let name: &[u8] = if odd { b"odd" } else { b"" };
        let bytes = dialogue(&options, name, &requests);
        let (replies, why) = talk(&bytes, cut);
        prop_assert_eq!(why, Some(RejectReason::Disconnected));
        // The greeting, the options, GO, the requests, and nothing for DISC.
        prop_assert_eq!(replies.len(), 1 + options.len() + 1 + requests.len() + 1);
        for (sent, reply) in options.iter().zip(&replies[1..]) {
            prop_assert!(reply.body.is_empty());
            let answered = last_answer(&reply.head);
            prop_assert_eq!(&sent[8..12], &answered[8..12]);
            // LIST and the like end with an acknowledgement or an error.
            prop_assert!(answered[12] == 0x80 || answered[12..16] == [0, 0, 0, 1]);
        }
        let size = Two.find(name).unwrap().size();
        for (n, (_, command, offset, len)) in requests.iter().enumerate() {
            let reply = &replies[options.len() + 2 + n];
            let cookie = u64::try_from(n).unwrap().to_be_bytes();
            // At the same offset in both kinds of reply.
            prop_assert_eq!(&reply.head[8..16], &cookie);
            if !reply.body.is_empty() {
                prop_assert_eq!(*command, 0);
                prop_assert_eq!(reply.body.len(), u64::from(*len));
                prop_assert!(offset + u64::from(*len) <= size);
                prop_assert_eq!(&reply.on_read_error[8..16], &cookie);
            }
        }
    }

    #[test]
    fn replies_do_not_depend_on_segmentation(
        options in vec(any_option(), 0..4), requests in vec(any_request(), 0..6),
    ) {
        let bytes = dialogue(&options, b"disk", &requests);
        let whole = talk(&bytes, bytes.len());
        for cut in [1, 7, 28] {
            prop_assert_eq!(&talk(&bytes, cut), &whole);
        }
    }
}

fn dialogue(options: &[Vec<u8>], name: &[u8], requests: &[(u16, u16, u64, u32)]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 3];
    options.iter().for_each(|option| bytes.extend(option));
    bytes.extend(info(7, name, &[]));
    for (n, (flags, command, offset, len)) in requests.iter().enumerate() {
        let cookie = u64::try_from(n).unwrap();
        bytes.extend(request(*flags, *command, cookie, *offset, *len));
        if *command == 1 {
            bytes.resize(bytes.len() + usize::try_from(*len).unwrap(), b'w');
        }
    }
    bytes.extend(request(0, 2, 99, 0, 0));
    bytes
}

/// Returns the last of several replies to one option.
fn last_answer(mut bytes: &[u8]) -> &[u8] {
    loop {
        let len = u32::from_be_bytes(bytes[16..20].try_into().unwrap());
        let end = 20 + usize::try_from(len).unwrap();
        if end == bytes.len() {
            return bytes;
        }
        bytes = &bytes[end..];
    }
}
