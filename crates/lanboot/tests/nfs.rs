//! The NFS server as raw sockets and `nfs3_client`, which nobody here wrote, see it.

mod nfs_server;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use lanboot::images::open_images::ImageFile;
use lanboot::nfs::Limits;
use lanboot_core::catalog::Catalog;
use lanboot_core::events::{EventKind, ListenerReason, Protocol, SendFailure};
use lanboot_core::routes::Routes;
use lanboot_core::vfs::ImageId;
use nfs_server::*;

const OK: u32 = 0;
const IO: u32 = 5;
const ROFS: u32 = 30;
const STALE: u32 = 70;
const BADHANDLE: u32 = 10_001;

#[test]
fn files_are_read_in_any_parts_over_tcp_and_udp() {
    let served = serve_here(Limits::default());
    let mut wire = served.connect();
    for name in ["big", "extents", "small"] {
        let whole = served.bytes_of(name);
        let handle = served.handle(name);
        for count in [1 << 20, 1_000_001, 16_384, 16_385, 1003] {
            let mut offset = 0;
            // Of the big file with small reads the beginning is enough.
            while offset < whole.len().min(300 * count as usize) {
                let (data, is_end) = wire.read(&handle, offset as u64, count).unwrap();
                let end = (offset + count as usize).min(whole.len());
                assert!(data == whole[offset..end], "{name} {count} at {offset}");
                assert_eq!(is_end, end == whole.len());
                offset = end;
            }
        }
        let args = read_args(&handle, 500, 1 << 20);
        let reply = ask_udp(served.nfs, &call(9, NFS, 3, 6, &args), DEADLINE).unwrap();
        let found = results(&reply, 9).unwrap();
        let end = whole.len().min(500 + 32 * 1024);
        assert!(
            *unopaque(&found[4 + 4 + 84 + 8..]) == whole[500..end],
            "{name} over UDP"
        );
    }
}

#[test]
fn reads_past_the_end_and_of_absurd_lengths_are_short() {
    let served = serve_here(Limits::default());
    let mut wire = served.connect();
    let handle = served.handle("small");
    let whole = served.bytes_of("small");
    for (offset, count, expected) in [
        (0, u32::MAX, &whole[..]),
        (1000, u32::MAX, &whole[1000..]),
        (1001, 1, &[]),
        (u64::MAX, u32::MAX, &[]),
        (u64::MAX - 5, 100, &[]),
    ] {
        let (data, is_end) = wire.read(&handle, offset, count).unwrap();
        assert!(data == expected && is_end, "{offset}+{count}");
    }
}

#[test]
fn a_call_may_come_in_fragments_of_one_byte() {
    let served = serve_here(Limits::default());
    let mut wire = served.connect();
    let handle = served.handle("small");
    let message = call(3, NFS, 3, 6, &read_args(&handle, 0, 4096));
    let mut crumbs = Vec::new();
    for byte in &message {
        crumbs.extend(fragment(&[*byte], false));
        crumbs.extend(fragment(&[], false));
    }
    crumbs.extend(fragment(&[], true));
    for byte in crumbs.chunks(3) {
        wire.stream.write_all(byte).unwrap();
    }
    let found = results(&wire.receive().unwrap(), 3).unwrap();
    assert_eq!(unopaque(&found[4 + 4 + 84 + 8..]), served.bytes_of("small"));
}

#[test]
fn absurd_records_end_the_connection_at_once() {
    let mut served = serve_here(Limits::default());
    let empties = fragment(&[], false).repeat(100_000);
    let http = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let two_gigabytes = u32::MAX.to_be_bytes().to_vec();
    let unfinished = 0x7fff_ffff_u32.to_be_bytes().to_vec();
    for stream in [two_gigabytes, unfinished, empties, http] {
        let mut wire = served.connect();
        // It may be closed before everything is sent.
        let _ = wire.stream.write_all(&stream);
        let mut end = [0];
        assert!(matches!(wire.stream.read(&mut end), Ok(0) | Err(_)));
    }
    served.event(|what| match what {
        EventKind::Ignored {
            protocol: Protocol::Nfs,
            reason,
            ..
        } => Some(reason.to_string().contains("bytes").then_some(())),
        _ => None,
    });
    assert!(served.connect().mount("/iso/test").is_ok());
}

#[test]
fn calls_sent_together_are_answered_in_order_and_a_retransmission_again() {
    let served = serve_here(Limits::default());
    let handle = served.handle("extents");
    let whole = served.bytes_of("extents");
    let mut wire = served.connect();
    let mut all = Vec::new();
    for xid in 0..300u32 {
        let args = read_args(&handle, u64::from(xid) * 100, 100 + xid * 100);
        all.extend(record(&call(xid, NFS, 3, 6, &args)));
        all.extend(record(&call(xid, NFS, 3, 1, &opaque(&handle))));
    }
    let mut sending = wire.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || sending.write_all(&all).unwrap());
    for xid in 0..300usize {
        let xid32 = u32::try_from(xid).unwrap();
        let found = results(&wire.receive().unwrap(), xid32).unwrap();
        let data = unopaque(&found[4 + 4 + 84 + 8..]);
        assert!(*data == whole[xid * 100..xid * 200 + 100], "call {xid}");
        // The same number again: another question, and answered as such.
        let found = results(&wire.receive().unwrap(), xid32).unwrap();
        assert_eq!(found.len(), 4 + 84);
    }
    sender.join().unwrap();
    // Also over another connection.
    let again = call(5, NFS, 3, 1, &opaque(&handle));
    for _ in 0..3 {
        let mut wire = served.connect();
        wire.send(&again);
        wire.send(&again);
        assert!(results(&wire.receive().unwrap(), 5).is_some());
        assert!(results(&wire.receive().unwrap(), 5).is_some());
    }
}

#[test]
fn a_write_of_a_megabyte_gets_the_error_of_a_read_only_file_system() {
    let served = serve_here(Limits::default());
    let handle = served.handle("small");
    let mut wire = served.connect();
    for len in [1 << 20, 100_000, 16_000, 1] {
        let mut args = opaque(&handle);
        for word in [0, 0, len, 2] {
            args.extend(u32::to_be_bytes(word));
        }
        args.extend(opaque(&vec![9; len as usize]));
        let found = wire.nfs(7, &args);
        assert_eq!(word(&found), ROFS, "{len}");
        assert_eq!(found.len(), 12, "wcc_data follows");
    }
    assert!(wire.read(&handle, 0, 10).is_ok());
    assert_eq!(
        std::fs::read(served.image_file.path()).unwrap(),
        served.image
    );
}

#[test]
fn handles_with_any_bit_flipped_open_nothing() {
    let served = serve_here(Limits::default());
    let good = served.handle("small");
    let mut wire = served.connect();
    for bit in 0..good.len() * 8 {
        let mut handle = good.clone();
        handle[bit / 8] ^= 1 << (bit % 8);
        let status = word(&wire.nfs(1, &opaque(&handle)));
        assert!([STALE, BADHANDLE].contains(&status), "bit {bit}: {status}");
    }
    assert_eq!(word(&wire.nfs(1, &opaque(&good))), OK);
}

#[test]
fn an_image_that_became_shorter_is_an_error_of_reading() {
    let mut served = serve_here(Limits::default());
    let (behind, big) = (served.handle("behind"), served.handle("big"));
    let mut wire = served.connect();
    for (offset, count) in [(0, 200_000), (99_999, 2), (100_000, 1), (0, 1 << 20)] {
        assert_eq!(
            wire.read(&behind, offset, count),
            Err(IO),
            "{offset}+{count}"
        );
    }
    assert!(
        wire.read(&behind, 0, 100_000).is_ok(),
        "what is there is read"
    );
    let udp = call(9, NFS, 3, 6, &read_args(&behind, 99_999, 2));
    let reply = ask_udp(served.nfs, &udp, DEADLINE).unwrap();
    assert_eq!(word(&results(&reply, 9).unwrap()), IO);
    served.image_file.as_file().set_len(1000).unwrap();
    assert_eq!(wire.read(&big, 0, 1 << 20), Err(IO));
    assert_eq!(wire.read(&big, 0, 100), Err(IO));
    let failed = served.event(|what| match what {
        EventKind::Failed {
            protocol: Protocol::Nfs,
            path,
            reason,
            transfer,
            ..
        } => Some((path.clone(), reason.clone(), transfer.is_some())),
        _ => None,
    });
    assert_eq!(failed.0, "/iso/test");
    assert!(failed.2, "{failed:?}");
    assert_eq!(failed.1, SendFailure::Truncated.into());
}

#[test]
fn what_cannot_be_read_in_the_middle_is_an_error_once_that_is_known() {
    let served = serve_here(Limits::default());
    let torn = served.handle("torn");
    let mut wire = served.connect();
    // The beginning is out when it is found out, so the connection is all there is to take back.
    wire.send(&call(1, NFS, 3, 6, &read_args(&torn, 0, 1 << 20)));
    assert!(wire.receive().is_err());
    // Asked again, as clients do for ever.
    let mut wire = served.connect();
    assert_eq!(wire.read(&torn, 0, 1 << 20), Err(IO));
    assert!(wire.read(&torn, 0, 100_000).is_ok());
    assert!(wire.read(&torn, 150_000, 100_000).is_ok());
    assert!(wire.read(&served.handle("big"), 0, 1 << 20).is_ok());
}

#[test]
fn handles_are_good_after_a_restart_and_with_another_key_they_are_stale() {
    let first = serve_here(Limits::default());
    let handle = first.handle("small");
    let expected = first.bytes_of("small");
    first.drain.send(true).unwrap();
    first.runtime.block_on(first.done).unwrap().unwrap();
    // The image has the same identity, and another number among the open ones.
    let mut second = serve_here(Limits::default());
    assert_eq!(
        second.connect().read(&handle, 0, 4096),
        Ok((expected, true))
    );
    let started = second.event(|what| match what {
        EventKind::Started { path, len, .. } => Some((path.clone(), *len)),
        _ => None,
    });
    assert_eq!(
        started,
        ("/iso/test".into(), IMAGE_BYTES as u64),
        "nobody mounted it"
    );
    let mut other = handle.clone();
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(second.connect().read(&other, 0, 10), Err(STALE));
}

#[test]
fn who_reads_an_image_that_is_replaced_goes_on_with_the_old_one() {
    let served = serve_here(Limits::default());
    let handle = served.handle("small");
    let mut wire = served.connect();
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(IMAGE_BYTES as u64).unwrap();
    let id = served
        .context
        .open_images
        .insert(ImageFile::open(file.path()).unwrap());
    let old = served.context.routes.load().catalog.images()[0].clone();
    let mut new = catalog_image("new identity", id);
    new.name = "test".into();
    let catalog = Catalog::with_retired(vec![Arc::new(new)], &[old]);
    served.context.routes.store(Arc::new(routes(catalog)));
    let expected = served.bytes_of("small");
    assert_eq!(
        wire.read(&handle, 0, 4096),
        Ok((expected, true)),
        "the old one"
    );
    let zeros = (vec![0; 1001], true);
    assert_eq!(
        wire.read(&served.handle("small"), 0, 4096),
        Ok(zeros),
        "the new one"
    );
    // Once nobody is thought to need it, it is gone.
    let images = served.context.routes.load().catalog.images().to_vec();
    let only = Catalog::new(images);
    served.context.routes.store(Arc::new(routes(only)));
    assert_eq!(wire.read(&handle, 0, 4096), Err(STALE));
}

#[test]
fn a_mount_is_logged_with_what_was_read_and_its_end() {
    let mut served = serve_here(Limits::default());
    let mut wire = served.connect();
    let root = wire.mount("/run/archiso/bootmnt").unwrap();
    // Lost and asked again.
    assert_eq!(wire.mount("/run/archiso/bootmnt"), Ok(root));
    let handle = served.handle("small");
    let transfer = served.event(|what| match what {
        EventKind::Started {
            protocol: Protocol::Nfs,
            transfer,
            path,
            len,
            ..
        } => {
            assert_eq!(
                (path.as_str(), *len),
                ("/run/archiso/bootmnt", IMAGE_BYTES as u64)
            );
            Some(*transfer)
        }
        _ => None,
    });
    let disk = served.context.open_images.get(ImageId(0)).unwrap();
    assert!(disk.last_streamed().is_some());
    std::thread::sleep(Duration::from_millis(150));
    wire.read(&handle, 0, 1000).unwrap();
    wire.call(MOUNT, 3, 4, &[]);
    let mut seen = Vec::new();
    served.event(|what| match what {
        EventKind::Progress { transfer, sent } => {
            seen.push((*transfer, *sent));
            None
        }
        EventKind::Finished { sent, path, .. } if *sent > 0 => {
            assert_eq!((path.as_str(), *sent), ("/iso/test", 1000));
            Some(())
        }
        _ => None,
    });
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(
        seen[0].0 > transfer,
        "mounting it otherwise began another account"
    );
    assert_eq!(wire.mount("/nothing"), Err(2));
    served.event(|what| match what {
        EventKind::NotFound {
            protocol: Protocol::Nfs,
            path,
        } => {
            assert_eq!(path, "/nothing");
            Some(())
        }
        _ => None,
    });
}

#[test]
fn a_machine_that_is_gone_for_long_is_done() {
    let limits = Limits {
        forget: Duration::from_secs(1),
        ..Limits::default()
    };
    let mut served = serve_here(limits);
    let mut wire = served.connect();
    // Answered, it is known to be connected.
    wire.call(NFS, 3, 0, &[]);
    let handle = served.handle("small");
    wire.read(&handle, 0, 100).unwrap();
    std::thread::sleep(2 * limits.forget);
    while let Ok(event) = served.events.try_recv() {
        let is_end = matches!(event.what, EventKind::Finished { .. });
        assert!(!is_end, "it is still connected");
    }
    drop(wire);
    served.event(|what| matches!(what, EventKind::Finished { sent: 100, .. }).then_some(()));
}

#[test]
fn a_stranger_is_closed_without_a_word() {
    let mut served = serve_here(Limits::default());
    let handle = served.handle("small");
    let mut strange = Routes::clone(&served.context.routes.load());
    strange.addresses[0] = "10.0.0.1/8".parse().unwrap();
    served.context.routes.store(Arc::new(strange));
    for address in [served.nfs, served.portmap] {
        let mut wire = Wire::to(address);
        assert!(matches!(wire.stream.read(&mut [0]), Ok(0) | Err(_)));
        let null = call(
            1,
            if address == served.nfs { NFS } else { PORTMAP },
            3,
            0,
            &[],
        );
        let patience = Duration::from_millis(300);
        assert_eq!(ask_udp(address, &null, patience), None);
    }
    served.event(|what| match what {
        EventKind::Ignored { reason, .. } => {
            assert_eq!(*reason, ListenerReason::ForeignClient.into());
            Some(())
        }
        _ => None,
    });
    drop(handle);
}

#[test]
fn draining_ends_connections_that_wait() {
    let served = serve_here(Limits::default());
    let mut idle = served.connect();
    idle.mount("/iso/test").unwrap();
    served.drain.send(true).unwrap();
    served.runtime.block_on(served.done).unwrap().unwrap();
    assert!(matches!(idle.stream.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn a_closed_half_is_answered_to_its_end() {
    let served = serve_here(Limits::default());
    let handle = served.handle("big");
    let mut wire = served.connect();
    wire.send(&call(1, NFS, 3, 6, &read_args(&handle, 0, 1 << 20)));
    wire.stream.shutdown(Shutdown::Write).unwrap();
    assert!(wire.receive().unwrap().len() > 1 << 20);
}

#[test]
fn the_port_mapper_sends_machines_to_this_server() {
    let served = serve_here(Limits::default());
    let ask: Vec<u8> = [NFS, 3, 6, 0].map(u32::to_be_bytes).concat();
    let mut wire = Wire::to(served.portmap);
    let port = wire.call(PORTMAP, 2, 3, &ask);
    assert_eq!(word(&port), u32::from(served.nfs.port()));
    let over_udp = ask_udp(served.portmap, &call(4, PORTMAP, 2, 3, &ask), DEADLINE).unwrap();
    assert_eq!(results(&over_udp, 4).unwrap(), port);
    let patience = Duration::from_millis(300);
    let forward = call(4, PORTMAP, 2, 5, &[0; 32]);
    assert_eq!(ask_udp(served.portmap, &forward, patience), None);
}

mod foreign {
    //! `nfs3_client` against the server.

    use super::*;
    use nfs3_client::tokio::TokioConnector;
    use nfs3_client::{Nfs3Connection, Nfs3ConnectionBuilder};
    use nfs3_types::nfs3::{
        LOOKUP3args, READ3args, READDIRPLUS3args, cookieverf3, diropargs3, filename3, nfs_fh3,
    };
    use nfs3_types::xdr_codec::Opaque;
    use tokio::net::TcpStream;

    type Connection = Nfs3Connection<nfs3_client::tokio::TokioIo<TcpStream>>;

    async fn mount(portmap: u16, path: &str) -> Connection {
        Nfs3ConnectionBuilder::new(TokioConnector, "127.0.0.1", path)
            .connect_from_privileged_port(false)
            .portmapper_port(portmap)
            .mount()
            .await
            .unwrap()
    }

    async fn look_up(connection: &mut Connection, dir: nfs_fh3, name: &str) -> nfs_fh3 {
        let name = filename3(Opaque::owned(name.as_bytes().to_vec()));
        let what = diropargs3 { dir, name };
        let found = connection.lookup(&LOOKUP3args { what }).await.unwrap();
        found.unwrap().object
    }

    async fn read_whole(connection: &mut Connection, file: nfs_fh3, count: u32) -> Vec<u8> {
        let mut whole = Vec::new();
        loop {
            let args = READ3args {
                file: file.clone(),
                offset: whole.len() as u64,
                count,
            };
            let part = connection.read(&args).await.unwrap().unwrap();
            whole.extend_from_slice(&part.data);
            if part.eof {
                return whole;
            }
        }
    }

    /// Lists a folder with attributes and handles.
    async fn list(connection: &mut Connection, dir: &nfs_fh3, maxcount: u32) -> Vec<Vec<u8>> {
        let (mut names, mut cookie) = (Vec::new(), 0);
        let mut cookieverf = cookieverf3([0; 8]);
        loop {
            let args = READDIRPLUS3args {
                dir: dir.clone(),
                cookie,
                cookieverf,
                dircount: maxcount / 4,
                maxcount,
            };
            let part = connection.readdirplus(&args).await.unwrap().unwrap();
            cookieverf = part.cookieverf;
            for entry in part.reply.entries.0 {
                assert!(entry.name_attributes.is_some() && entry.name_handle.is_some());
                cookie = entry.cookie;
                names.push(entry.name.0.to_vec());
            }
            if part.reply.eof {
                return names;
            }
        }
    }

    #[test]
    fn fifty_clients_nobody_here_wrote_read_and_list_correctly() {
        const CLIENTS: usize = 50;
        let served = Arc::new(serve_here(Limits::default()));
        let portmap = served.portmap.port();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let tasks: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let served = Arc::clone(&served);
                runtime.spawn(async move {
                    let path = ["/iso/test", "/run/archiso/bootmnt"][n % 2];
                    let mut connection = mount(portmap, path).await;
                    let root = connection.root_nfs_fh3();
                    let count = [1 << 20, 65_536, 7777, 30_001][n % 4];
                    for name in ["small", "extents"] {
                        let file = look_up(&mut connection, root.clone(), name).await;
                        let whole = read_whole(&mut connection, file, count).await;
                        assert!(whole == served.bytes_of(name), "client {n}: {name}");
                    }
                    let many = look_up(&mut connection, root, "many").await;
                    let maxcount = [1000, 4096, 100_000][n % 3];
                    let names = list(&mut connection, &many, maxcount).await;
                    assert_eq!(names.len(), 502);
                    let file = look_up(
                        &mut connection,
                        many,
                        "0042-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                    )
                    .await;
                    assert_eq!(read_whole(&mut connection, file, count).await, b"file 42\n");
                    connection.unmount().await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    }
}
