//! The table of plans in the database: what was said about single machines.

use lanboot_core::machine::Mac;
use lanboot_core::machine_plans::{MAX_PLANS, PlanFields, PlanState, Start};
use rusqlite::{CachedStatement, Connection, Row, Transaction, params};

/// Makes the table. `keys` is a JSON list of pairs of texts; `next` is a start in text form.
pub(super) const CREATE: &str = "CREATE TABLE plan (
         mac        BLOB PRIMARY KEY,
         keys       TEXT NOT NULL,
         next       TEXT,
         installed  TEXT
     ) STRICT;";

/// The prepared statements of one transaction.
pub(super) struct Writer<'a> {
    put: CachedStatement<'a>,
    remove: CachedStatement<'a>,
}

impl<'a> Writer<'a> {
    /// Prepares the statements.
    pub(super) fn new(transaction: &'a Transaction<'_>) -> rusqlite::Result<Self> {
        let put = "REPLACE INTO plan (mac, keys, next, installed) VALUES (?1, ?2, ?3, ?4)";
        Ok(Self {
            put: transaction.prepare_cached(put)?,
            remove: transaction.prepare_cached("DELETE FROM plan WHERE mac = ?1")?,
        })
    }

    /// Writes what was said about a machine, or that nothing is left of it. Returns the number of rows
    /// changed.
    pub(super) fn write(&mut self, mac: Mac, state: Option<&PlanState>) -> rusqlite::Result<usize> {
        let Some(state) = state.filter(|state| !state.is_empty()) else {
            return self.remove.execute([mac.0]);
        };
        let keys = serde_json::to_string(&state.set.list());
        let keys = keys.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let next = state.next.as_ref().map(Start::to_string);
        self.put
            .execute(params![mac.0, keys, next, state.installed])
    }
}

/// Reads every plan. An invalid one is skipped; the next write of it replaces it.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<(Mac, PlanState)>> {
    let read = "SELECT mac, keys, next, installed FROM plan LIMIT ?1";
    let mut select = connection.prepare(read)?;
    let mut rows = select.query([i64::try_from(MAX_PLANS).unwrap_or(i64::MAX)])?;
    let mut plans = Vec::new();
    while let Some(row) = rows.next()? {
        plans.extend(plan(row));
    }
    Ok(plans)
}

fn plan(row: &Row<'_>) -> Option<(Mac, PlanState)> {
    let keys: String = row.get(1).ok()?;
    let keys: Vec<(String, String)> = serde_json::from_str(&keys).ok()?;
    let mut set = PlanFields::default();
    for (key, value) in keys {
        // A plan of which a part is missing would start something else.
        set.set(&key, Some(&value)).ok()?;
    }
    let next: Option<String> = row.get(2).ok()?;
    let next = next.map(|next| next.parse().unwrap_or_else(|never| match never {}));
    let state = PlanState {
        set,
        next,
        installed: row.get(3).ok()?,
    };
    Some((Mac(row.get(0).ok()?), state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_as_they_were_written_and_a_damaged_one_is_skipped() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(CREATE).unwrap();
        let mac = |last| Mac([2, 0, 0, 0, 0, last]);
        let state = |boot: &str| {
            let mut state = PlanState {
                next: Some(Start::Install("debian \"13\"".into())),
                installed: Some("arch".into()),
                ..PlanState::default()
            };
            state.set.set("boot", Some(boot)).unwrap();
            state.set.set("append", Some("a=\"b\" 'c'")).unwrap();
            state
        };
        let transaction = connection.transaction().unwrap();
        let mut writer = Writer::new(&transaction).unwrap();
        for last in 1..=4 {
            writer.write(mac(last), Some(&state("disk"))).unwrap();
        }
        writer.write(mac(2), Some(&state("other"))).unwrap();
        writer.write(mac(3), None).unwrap();
        drop(writer);
        transaction.commit().unwrap();
        let damage = "UPDATE plan SET keys = '[[\"boot\",\"\"]]' WHERE mac = ?1";
        assert_eq!(connection.execute(damage, [mac(4).0]).unwrap(), 1);
        let expected = [(mac(1), state("disk")), (mac(2), state("other"))];
        assert_eq!(read(&connection).unwrap(), expected);
    }
}
