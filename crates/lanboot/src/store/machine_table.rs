//! The table of machines in the database.

use std::time::Duration;

use lanboot_core::machine::{Arch, Mac, Uuid};
use lanboot_core::machines::{BootOutcome, BootRecord, KnownMachine, MAX_MACHINES};
use rusqlite::{CachedStatement, Connection, Row, Transaction, params};

/// Makes the table. Times are seconds since 1970 UTC; `arch` is a number of DHCP option 93.
pub(super) const CREATE: &str = "CREATE TABLE machine (
         mac            BLOB PRIMARY KEY,
         uuid           BLOB,
         arch           INTEGER,
         firmware_arch  INTEGER NOT NULL,
         address        TEXT,
         first_seen     INTEGER NOT NULL,
         last_seen      INTEGER NOT NULL,
         boots          INTEGER NOT NULL,
         failures       INTEGER NOT NULL,
         boot_began     INTEGER,
         boot_image     TEXT,
         boot_outcome   TEXT
     ) STRICT;";

const PUT: &str =
    "REPLACE INTO machine (mac, uuid, arch, firmware_arch, address, first_seen, last_seen,
         boots, failures, boot_began, boot_image, boot_outcome)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const READ: &str = "SELECT mac, uuid, arch, firmware_arch, address, first_seen, last_seen,
         boots, failures, boot_began, boot_image, boot_outcome
     FROM machine ORDER BY last_seen DESC LIMIT ?1";

/// The prepared statements of one transaction.
pub(super) struct Writer<'a> {
    put: CachedStatement<'a>,
    remove: CachedStatement<'a>,
}

impl<'a> Writer<'a> {
    /// Prepares the statements.
    pub(super) fn new(transaction: &'a Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            put: transaction.prepare_cached(PUT)?,
            remove: transaction.prepare_cached("DELETE FROM machine WHERE mac = ?1")?,
        })
    }

    /// Writes a record. Returns the number of rows changed.
    pub(super) fn put(&mut self, machine: &KnownMachine) -> rusqlite::Result<usize> {
        let boot = machine.last_boot.as_ref();
        self.put.execute(params![
            machine.mac.0,
            machine.uuid.map(|uuid| uuid.0),
            machine.arch.map(Arch::code),
            machine.is_arch_of_firmware,
            machine.address.map(|address| address.to_string()),
            seconds(machine.first_seen),
            seconds(machine.last_seen),
            machine.boots,
            machine.failures,
            boot.map(|boot| seconds(boot.began)),
            boot.and_then(|boot| boot.image.as_deref()),
            boot.map(|boot| boot.outcome.name()),
        ])
    }

    /// Removes a record. Returns the number of rows changed.
    pub(super) fn remove(&mut self, mac: Mac) -> rusqlite::Result<usize> {
        self.remove.execute([mac.0])
    }
}

/// Reads the records of the machines heard last. An invalid one is skipped; the next write of it
/// replaces it.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<KnownMachine>> {
    let mut select = connection.prepare(READ)?;
    let mut rows = select.query([i64::try_from(MAX_MACHINES).unwrap_or(i64::MAX)])?;
    let mut machines = Vec::new();
    while let Some(row) = rows.next()? {
        machines.extend(machine(row).ok().flatten());
    }
    Ok(machines)
}

fn machine(row: &Row<'_>) -> rusqlite::Result<Option<KnownMachine>> {
    let address: Option<String> = row.get(4)?;
    let Ok(address) = address.map(|text| text.parse()).transpose() else {
        return Ok(None);
    };
    let began: Option<i64> = row.get(9)?;
    let outcome: Option<String> = row.get(11)?;
    let outcome = BootOutcome::ALL
        .into_iter()
        .find(|known| outcome.as_deref() == Some(known.name()));
    let image: Option<String> = row.get(10)?;
    let last_boot = began.zip(outcome).map(|(began, outcome)| BootRecord {
        began: time(began),
        image,
        outcome,
    });
    Ok(Some(KnownMachine {
        mac: Mac(row.get(0)?),
        uuid: row.get::<_, Option<[u8; 16]>>(1)?.map(Uuid),
        arch: row.get::<_, Option<u16>>(2)?.map(Arch::from),
        is_arch_of_firmware: row.get(3)?,
        address,
        first_seen: time(row.get(5)?),
        last_seen: time(row.get(6)?),
        boots: row.get(7)?,
        failures: row.get(8)?,
        last_boot,
    }))
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn time(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(last: u8) -> KnownMachine {
        KnownMachine {
            mac: Mac([2, 0, 0, 0, 0, last]),
            uuid: Some(Uuid([last; 16])),
            arch: Some(Arch::X64Http),
            is_arch_of_firmware: true,
            address: Some([10, 0, 0, last].into()),
            first_seen: Duration::from_secs(1_800_000_000),
            last_seen: Duration::from_secs(1_800_000_000 + u64::from(last)),
            boots: 3,
            failures: 1,
            last_boot: Some(BootRecord {
                began: Duration::from_secs(1_800_000_001),
                image: Some("arch".into()),
                outcome: BootOutcome::Up,
            }),
        }
    }

    fn write(connection: &mut Connection, work: impl Fn(&mut Writer<'_>)) {
        let transaction = connection.transaction().unwrap();
        work(&mut Writer::new(&transaction).unwrap());
        transaction.commit().unwrap();
    }

    #[test]
    fn records_are_read_as_they_were_written_and_the_latest_first() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(CREATE).unwrap();
        let bare = KnownMachine {
            uuid: None,
            arch: None,
            is_arch_of_firmware: false,
            address: None,
            last_boot: None,
            ..known(9)
        };
        write(&mut connection, |writer| {
            for machine in [&known(1), &known(2), &bare, &known(3)] {
                writer.put(machine).unwrap();
            }
            writer
                .put(&KnownMachine {
                    boots: 4,
                    ..known(2)
                })
                .unwrap();
            writer.remove(Mac([2, 0, 0, 0, 0, 3])).unwrap();
        });
        let expected = [
            bare,
            KnownMachine {
                boots: 4,
                ..known(2)
            },
            known(1),
        ];
        assert_eq!(read(&connection).unwrap(), expected);
    }

    #[test]
    fn a_record_that_makes_no_sense_is_skipped() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(CREATE).unwrap();
        write(&mut connection, |writer| {
            for last in 1..=4 {
                writer.put(&known(last)).unwrap();
            }
        });
        for (column, value, last) in [
            ("address", "'x'", 1),
            ("boots", "-1", 2),
            ("uuid", "x'00'", 3),
        ] {
            let text = format!(
                "UPDATE machine SET {column} = {value} WHERE boot_began > 0 AND last_seen = {}",
                1_800_000_000 + last
            );
            assert_eq!(connection.execute(&text, []).unwrap(), 1, "{text}");
        }
        assert_eq!(read(&connection).unwrap(), [known(4)]);
    }
}
