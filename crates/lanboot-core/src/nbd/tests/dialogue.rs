//! Dialogues of one client.

use super::*;

const INVALID: u32 = 0x8000_0003;
const UNSUP: u32 = 0x8000_0001;
const UNKNOWN: u32 = 0x8000_0006;
const TOO_BIG: u32 = 0x8000_0009;
/// HAS_FLAGS, READ_ONLY, CAN_MULTI_CONN, SEND_CACHE.
const FLAGS: u16 = 0x503;

/// Returns option, kind and data of the single reply in `bytes`.
fn one(bytes: &[u8]) -> (u32, u32, &[u8]) {
    let answers = all(bytes);
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers[0]
}

/// Returns option, kind and data of each reply in `bytes`.
fn all(mut bytes: &[u8]) -> Vec<(u32, u32, &[u8])> {
    let mut found = Vec::new();
    let number = |at: &[u8]| u32::from_be_bytes(at.try_into().unwrap());
    while !bytes.is_empty() {
        assert_eq!(bytes[..8], 0x0003_e889_0455_65a9_u64.to_be_bytes());
        let len = usize::try_from(number(&bytes[16..20])).unwrap();
        found.push((
            number(&bytes[8..12]),
            number(&bytes[12..16]),
            &bytes[20..20 + len],
        ));
        bytes = &bytes[20 + len..];
    }
    found
}

fn export_info(flags: u16) -> Vec<u8> {
    [
        &0u16.to_be_bytes()[..],
        &SIZE.to_be_bytes(),
        &flags.to_be_bytes(),
    ]
    .concat()
}

#[test]
fn export_name_is_followed_by_124_zeros() {
    let mut client = Client::new(0);
    let head = client.say(&option(1, b"disk")).unwrap();
    let mut want = SIZE.to_be_bytes().to_vec();
    want.extend(FLAGS.to_be_bytes());
    want.resize(want.len() + 124, 0);
    assert_eq!(head, want);
    assert!(client.session.is_in_transmission());
    let reply = client.ask(0, 0, 512, 1024);
    assert_eq!(reply.head, simple(0));
    assert_eq!(
        reply.body,
        Two.find(b"disk").unwrap().content().slice(512..1536)
    );
    assert_eq!(reply.on_read_error, simple(5));
    assert!(!reply.close);
}

#[test]
fn zeros_are_omitted_if_negotiated() {
    let mut client = Client::new(3);
    assert_eq!(client.say(&option(1, b"")).unwrap().len(), 10);
}

#[test]
fn go_returns_requested_info_and_enters_transmission() {
    let mut client = Client::structured();
    // A duplicate and an unknown type.
    let Received::Entered { reply, export } = client.step(&info(7, b"", &[3, 1, 2, 1, 99])) else {
        panic!("it did not enter");
    };
    assert_eq!(export.name, "disk");
    let answers = all(&reply.head);
    let texts: Vec<_> = answers
        .iter()
        .map(|(_, kind, data)| (*kind, data.to_vec()))
        .collect();
    let block_size = [0, 3, 0, 0, 0, 1, 0, 0, 16, 0, 2, 0, 0, 0];
    assert_eq!(
        texts,
        [
            (3, export_info(FLAGS | 1 << 7)),
            (3, b"\0\x01disk".to_vec()),
            (3, b"\0\x02a disk".to_vec()),
            (3, block_size.to_vec()),
            (1, Vec::new()),
        ]
    );
    assert!(answers.iter().all(|(option, _, _)| *option == 7));
}

#[test]
fn info_returns_the_same_and_stays_in_negotiation() {
    let mut client = Client::new(3);
    let head = client.say(&info(6, b"disk", &[])).unwrap();
    let answers = all(&head);
    assert_eq!(answers[0], (6, 3, &export_info(FLAGS)[..]));
    assert_eq!(answers[1], (6, 1, &b""[..]));
    assert!(!client.session.is_in_transmission());
    assert!(client.say(&info(7, b"odd", &[])).is_some());
    assert!(client.session.is_in_transmission());
}

#[test]
fn an_unknown_export_is_an_error_and_another_may_follow() {
    let mut client = Client::new(3);
    let Received::Refused { reply, why, name } = client.step(&info(7, b"no\nsuch", &[])) else {
        panic!("it was not refused");
    };
    assert_eq!(
        (why, name.as_str()),
        (RejectReason::UnknownExport, "no\\nsuch")
    );
    assert_eq!(one(&reply.head).1, UNKNOWN);
    assert!(client.say(&info(7, b"disk", &[])).is_some());
    assert!(client.session.is_in_transmission());
    let mut client = Client::new(3);
    let step = client.step(&option(1, b"no"));
    let Received::Closed { reply, why, name } = step else {
        panic!("EXPORT_NAME cannot say no otherwise");
    };
    assert!(reply.head.is_empty() && reply.close);
    assert_eq!((why, name.as_str()), (RejectReason::UnknownExport, "no"));
}

#[test]
fn a_folder_is_refused_with_the_reason() {
    let mut client = Client::new(3);
    let Received::Refused { reply, why, .. } = client.step(&info(7, b"folder", &[])) else {
        panic!("it was not refused");
    };
    assert_eq!(why, RejectReason::NoDisk);
    let (_, kind, text) = one(&reply.head);
    assert_eq!(kind, UNKNOWN);
    let said = "this image is a folder or an archive, and so no disk: use HTTP or NFS";
    assert_eq!(String::from_utf8_lossy(text), said);
}

#[test]
fn list_names_every_export() {
    let mut client = Client::new(3);
    let head = client.say(&option(3, b"")).unwrap();
    let want = [
        answers(3, 2, b"\0\0\0\x04disk"),
        answers(3, 2, b"\0\0\0\x03odd"),
        answers(3, 1, b""),
    ];
    assert_eq!(head, want.concat());
    assert_eq!(one(&client.say(&option(3, b"x")).unwrap()).1, INVALID);
}

#[test]
fn abort_is_acknowledged_and_closes() {
    let mut client = Client::new(3);
    let Received::Closed { reply, why, .. } = client.step(&option(2, b"")) else {
        panic!("it goes on");
    };
    assert_eq!(
        (reply.head, why),
        (answers(2, 1, b""), RejectReason::Aborted)
    );
    assert!(why.is_goodbye());
    assert!(matches!(client.step(&[]), Received::More));
}

#[test]
fn unknown_options_are_unsupported() {
    let mut client = Client::new(3);
    // PEEK_EXPORT, STARTTLS, EXTENDED_HEADERS, and an unassigned one.
    for code in [0, 4, 5, 11, 0xffff_ffff] {
        let head = client.say(&option(code, b"some data")).unwrap();
        assert_eq!((one(&head).0, one(&head).1), (code, UNSUP));
    }
}

#[test]
fn garbled_options_are_invalid() {
    let mut client = Client::structured();
    for code in [6, 7] {
        for data in [
            &b""[..],
            b"\0\0\0\x04dis",
            b"\xff\xff\xff\xff",
            b"\0\0\0\x04disk\0\x01\0",
            b"\0\0\0\x04disk\0\0more",
        ] {
            assert_eq!(
                one(&client.say(&option(code, data)).unwrap()).1,
                INVALID,
                "{data:?}"
            );
        }
    }
    for code in [9, 10] {
        for data in [
            &b"\0\0\0\x04disk"[..],
            b"\0\0\0\x04disk\xff\xff\xff\xff",
            b"\0\0\0\x04disk\0\0\0\x01\0\0\0\x09short",
            b"\0\0\0\x04disk\0\0\0\0more",
        ] {
            assert_eq!(
                one(&client.say(&option(code, data)).unwrap()).1,
                INVALID,
                "{data:?}"
            );
        }
    }
    assert_eq!(one(&client.say(&option(8, b"x")).unwrap()).1, INVALID);
}

#[test]
fn metadata_contexts_need_structured_replies_and_hold_for_one_export() {
    let mut client = Client::new(3);
    let base: &[&[u8]] = &[b"base:allocation"];
    assert_eq!(
        one(&client.say(&meta(10, b"disk", base)).unwrap()).1,
        INVALID
    );
    let parse = |head: Vec<u8>| -> Vec<_> {
        all(&head)
            .iter()
            .map(|(_, kind, data)| (*kind, data.to_vec()))
            .collect()
    };
    let context = |id: u8| {
        let data = [&[0, 0, 0, id][..], b"base:allocation"].concat();
        vec![(4, data), (1, Vec::new())]
    };
    let none = vec![(1, Vec::new())];
    let mut client = Client::structured();
    for (code, queries, want) in [
        (9, &[][..], context(0)),
        (9, &[&b"base:"[..]][..], context(0)),
        (9, &[b"qemu:dirty-bitmap:x"], none.clone()),
        (9, &[b"x", b"base:allocation"], context(0)),
        (10, &[], none.clone()),
        (10, &[b"base:"], none.clone()),
        (10, &[b"base:allocation", b"base:allocation"], context(1)),
    ] {
        assert_eq!(
            parse(client.say(&meta(code, b"disk", queries)).unwrap()),
            want,
            "{queries:?}"
        );
    }
    assert_eq!(one(&client.say(&meta(9, b"no", base)).unwrap()).1, UNKNOWN);
    // Selected for "disk" (also by its other name), not for "odd".
    client.say(&info(7, b"", &[])).unwrap();
    assert_eq!(
        client.ask(0, 7, 0, 512).head,
        chunk(5, &[0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0], 0)
    );
    for last in [
        meta(10, b"no", base),
        meta(10, b"disk", &[]),
        meta(10, b"odd", base),
    ] {
        let mut client = Client::structured();
        client.say(&meta(10, b"disk", base)).unwrap();
        client.say(&last).unwrap();
        client.say(&info(7, b"disk", &[])).unwrap();
        assert_eq!(chunk_error(&client.ask(0, 7, 0, 512).head), 22);
    }
}

#[test]
fn block_status_distinguishes_data_from_holes() {
    let mut client = Client::structured();
    client
        .say(&meta(10, b"odd", &[b"base:allocation"]))
        .unwrap();
    client.say(&info(7, b"odd", &[])).unwrap();
    let status = |extents: &[(u32, u32)]| {
        let mut data = vec![0, 0, 0, 1];
        for (len, status) in extents {
            data.extend(len.to_be_bytes());
            data.extend(status.to_be_bytes());
        }
        chunk(5, &data, 0)
    };
    let whole = [(4096, 0), (4096, 3), (4096, 0)];
    assert_eq!(client.ask(0, 7, 0, 12288).head, status(&whole));
    assert_eq!(client.ask(8, 7, 0, 12288).head, status(&[(4096, 0)]));
    assert_eq!(
        client.ask(0, 7, 5000, 4000).head,
        status(&[(3192, 3), (808, 0)])
    );
    for (flags, offset, len) in [(0, 0, 0), (0, 12288, 1), (0, 0, u32::MAX), (4, 0, 512)] {
        assert_eq!(chunk_error(&client.ask(flags, 7, offset, len).head), 22);
    }
}

#[test]
fn reads_are_one_chunk_with_structured_replies() {
    let mut client = Client::structured();
    client.say(&info(7, b"disk", &[])).unwrap();
    // With and without "don't fragment".
    for flags in [0, 4] {
        let reply = client.ask(flags, 0, 300, 700);
        assert_eq!(reply.head, chunk(1, &300u64.to_be_bytes(), 700));
        assert_eq!(reply.body.len(), 700);
        assert_eq!(chunk_error(&reply.on_read_error), 5);
    }
    let last = client.ask(0, 0, SIZE - 512, 512);
    let sources: Vec<_> = last.body.pieces().map(|p| (p.len, p.source)).collect();
    let disk = Source::Image {
        image: ImageId(1),
        offset: SIZE - 512,
    };
    assert_eq!(sources, [(64, disk), (448, Source::Zero)]);
}

#[test]
fn invalid_requests_are_errors_and_the_connection_continues() {
    for structured in [false, true] {
        let mut client = if structured {
            Client::structured()
        } else {
            Client::new(3)
        };
        client.say(&info(7, b"disk", &[])).unwrap();
        let mut fails = |flags, command, offset, len, error, expected| {
            let step = client.step(&request(flags, command, 77, offset, len));
            let Received::Refused {
                reply, why: reason, ..
            } = step
            else {
                panic!("{command} {offset} {len} was not refused");
            };
            assert_eq!(reason, expected, "{command} {offset} {len}");
            assert!(reply.body.is_empty() && !reply.close);
            if structured {
                assert_eq!(chunk_error(&reply.head), error);
            } else {
                assert_eq!(reply.head, simple(error));
            }
        };
        for (offset, len) in [
            (SIZE, 1),
            (SIZE - 1, 2),
            (u64::MAX, 1),
            (u64::MAX, u32::MAX),
            (0, u32::MAX),
            (0, 1 << 31),
        ] {
            fails(0, 0, offset, len, 22, RejectReason::BehindTheEnd);
            fails(0, 5, offset, len, 22, RejectReason::BehindTheEnd);
        }
        fails(0, 0, 0, 0, 22, RejectReason::Invalid);
        // Flags of other commands or none.
        for flags in [1, 2, 8, 16, 32, 0x8000] {
            fails(flags, 0, 0, 512, 22, RejectReason::Invalid);
        }
        for command in [8, 9, 0xffff] {
            fails(0, command, 0, 512, 22, RejectReason::Invalid);
        }
        for command in [4, 6] {
            fails(0, command, 0, 512, 1, RejectReason::ReadOnly);
        }
        fails(0, 1, 0, 0, 1, RejectReason::ReadOnly);
        if !structured {
            fails(4, 0, 0, 512, 22, RejectReason::Invalid);
        }
        assert_eq!(client.ask(0, 0, 0, 512).body.len(), 512);
    }
}

#[test]
fn a_read_longer_than_32_mib_is_refused() {
    struct Huge;
    impl Exports for Huge {
        fn find(&self, _: &[u8]) -> Option<Export> {
            let content = Content::in_image(ImageId(1), 0, 1 << 40);
            Some(Export::new("huge".into(), String::new(), content))
        }
        fn names(&self) -> Vec<String> {
            Vec::new()
        }
    }
    let mut session = Session::new();
    let mut input = &[
        &3u32.to_be_bytes()[..],
        &option(8, b""),
        &option(1, b""),
        &request(0, 0, 77, 0, 32 << 20),
        &request(0, 0, 77, 0, (32 << 20) + 1),
        &request(4, 0, 77, 0, 1 << 31),
    ]
    .concat()[..];
    let replies: Vec<Reply> = (0..6)
        .map(|_| reply_of(session.advance(&mut input, &Huge)))
        .collect();
    assert_eq!(replies[3].body.len(), 32 << 20);
    assert_eq!(chunk_error(&replies[4].head), 22);
    assert_eq!(chunk_error(&replies[5].head), 75);
}

#[test]
fn flush_and_cache_succeed() {
    let mut client = Client::structured();
    client.say(&info(7, b"disk", &[])).unwrap();
    for (command, offset, len) in [(3, 0, 0), (5, 0, 4096), (5, 0, 1_000_448)] {
        let reply = client.ask(0, command, offset, len);
        assert_eq!((reply.head, reply.body.len()), (simple(0), 0));
    }
}

#[test]
fn write_data_is_discarded_before_the_error() {
    let mut client = Client::new(3);
    client.say(&info(7, b"disk", &[])).unwrap();
    let mut write = request(0, 1, 77, 0, 5000);
    assert!(matches!(client.step(&write), Received::More));
    for _ in 0..4 {
        assert!(matches!(client.step(&[b'x'; 1000]), Received::More));
    }
    // The rest of it, followed by the next request.
    write.clear();
    write.extend([b'x'; 1000]);
    write.extend(request(0, 3, 77, 0, 0));
    let mut input = &write[..];
    let step = client.session.advance(&mut input, &Two);
    assert!(matches!(
        &step,
        Received::Refused {
            why: RejectReason::ReadOnly,
            ..
        }
    ));
    assert_eq!(reply_of(step).head, simple(1));
    assert_eq!(
        reply_of(client.session.advance(&mut input, &Two)).head,
        simple(0)
    );
    for len in [(32 << 20) + 1, 1 << 31, u32::MAX] {
        let mut client = Client::new(3);
        client.say(&info(7, b"disk", &[])).unwrap();
        let step = client.step(&request(0, 1, 77, 0, len));
        assert!(
            matches!(step, Received::Closed { why: RejectReason::WriteTooLong(l), .. } if l == len)
        );
    }
}

#[test]
fn disconnect_has_no_answer() {
    let mut client = Client::new(3);
    client.say(&info(7, b"disk", &[])).unwrap();
    let Received::Closed { reply, why, .. } = client.step(&request(0, 2, 77, 0, 0)) else {
        panic!("it goes on");
    };
    assert!(reply.head.is_empty());
    assert_eq!(why, RejectReason::Disconnected);
}

#[test]
fn long_options_are_skipped_and_absurd_ones_close() {
    let mut client = Client::new(3);
    let name = vec![b'x'; MAX_NAME_BYTES + 1];
    assert_eq!(one(&client.say(&info(6, &name, &[])).unwrap()).1, TOO_BIG);
    let mut long = option(42, &vec![0; MAX_OPTION_BYTES + 1]);
    long.extend(option(3, b"x"));
    let mut input = &long[..];
    let step = client.session.advance(&mut input, &Two);
    assert_eq!(reply_of(step).head, answers(42, TOO_BIG, b""));
    assert_eq!(
        one(&reply_of(client.session.advance(&mut input, &Two)).head).1,
        INVALID
    );
    // In pieces.
    let long = option(7, &vec![0; 1 << 20]);
    let mut pieces = long.chunks(1234).peekable();
    while let Some(piece) = pieces.next() {
        match client.say(piece) {
            None => assert!(pieces.peek().is_some()),
            Some(head) => {
                assert!(pieces.peek().is_none());
                assert_eq!(head, answers(7, TOO_BIG, b""));
            }
        }
    }
    for (code, len) in [(7, (1 << 20) + 1), (3, 1 << 30), (1, 10_000), (9, u32::MAX)] {
        let mut client = Client::new(3);
        let mut head = &[&option(code, b"")[..12], &len.to_be_bytes()].concat()[..];
        let step = client.session.advance(&mut head, &Two);
        assert!(
            matches!(step, Received::Closed { why: RejectReason::OptionTooLong(l), .. } if l == len)
        );
    }
}

#[test]
fn the_number_of_options_is_limited() {
    let mut client = Client::new(3);
    for _ in 0..MAX_OPTIONS {
        assert!(client.say(&option(8, b"")).is_some());
    }
    let mut again = &option(8, b"")[..];
    let step = client.session.advance(&mut again, &Two);
    assert!(matches!(
        step,
        Received::Closed {
            why: RejectReason::TooManyOptions,
            ..
        }
    ));
}

#[test]
fn other_protocols_close_the_connection() {
    let mut session = Session::new();
    session.advance(&mut &b""[..], &Two);
    let step = session.advance(&mut &b"\0\0\0\x04"[..], &Two);
    assert!(matches!(
        step,
        Received::Closed {
            why: RejectReason::UnknownFlags(4),
            ..
        }
    ));
    let mut session = Session::new();
    session.advance(&mut &b""[..], &Two);
    let step = session.advance(&mut &b"\0\0\0\x01GET / HTTP/1.1\r\n\r\n"[..], &Two);
    assert!(matches!(
        step,
        Received::Closed {
            why: RejectReason::NotAnOption,
            ..
        }
    ));
    let mut client = Client::new(3);
    client.say(&info(7, b"disk", &[])).unwrap();
    let mut bytes = request(0, 0, 77, 0, 512);
    bytes[0] ^= 1;
    let step = client.session.advance(&mut &bytes[..], &Two);
    assert!(matches!(
        step,
        Received::Closed {
            why: RejectReason::NotARequest,
            ..
        }
    ));
}
