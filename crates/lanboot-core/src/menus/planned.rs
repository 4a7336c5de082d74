//! The menu of a machine with a plan.

use std::time::Duration;

use super::Menu;
use crate::catalog::Catalog;
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::machine_plans::{Plan, Start};
use crate::plan::{MenuKind, Transports};

/// Time a menu waits for a key where the plan says what starts, and the operator that menus wait for
/// ever: nobody may be there.
const PLANNED_TIMEOUT: Duration = Duration::from_secs(10);

impl Menu {
    /// Returns the settings for a machine with this plan, and why something of it cannot be done: then
    /// what starts is what the operator chose for every machine.
    pub fn planned(&self, catalog: &Catalog, plan: &Plan) -> (Self, Option<Diagnostic>) {
        if self.kind == MenuKind::Stock {
            let text = "this machine has a plan, which --menu stock leaves no room for";
            let warning = plan
                .is_made()
                .then(|| DiagnosticCode::PlanUnusable.with(text));
            return (self.clone(), warning);
        }
        let mut menu = self.clone();
        let mut warning = None;
        match self.boot.planned(catalog, &plan.boot) {
            Ok(choice) => menu.boot = choice.into_owned(),
            Err(error) => {
                let text = format!("the plan of this machine cannot be carried out: {error}");
                warning = Some(DiagnosticCode::PlanUnusable.with(text));
            }
        }
        if plan.boot != Start::Menu {
            menu.timeout.get_or_insert(PLANNED_TIMEOUT);
        }
        if let Some(transport) = plan.transport {
            menu.transports = Transports {
                all: Some(transport),
                of: Vec::new(),
            };
        }
        if let Some(append) = &plan.append {
            let words = [menu.append.as_str(), append.as_str()];
            menu.append = words.join(" ").trim().to_owned();
        }
        (menu, warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Cpu, Firmware, Transport};
    use crate::plan::BootChoice;
    use crate::testing::image;
    use std::sync::Arc;

    fn catalog() -> Catalog {
        let images = ["live", "other"].map(|name| Arc::new(image(name, &[Cpu::X86_64])));
        Catalog::new(images.to_vec())
    }

    fn menu(catalog: &Catalog) -> Menu {
        Menu {
            timeout: None,
            boot: BootChoice::first(catalog),
            append: "quiet".into(),
            transports: Transports::default(),
            kind: MenuKind::Generated,
        }
    }

    #[test]
    fn a_plan_says_what_starts_and_how() {
        let catalog = catalog();
        let plan = |boot: &str| {
            let mut plan = Plan::default();
            plan.boot = boot.parse().unwrap();
            plan.append = Some("console=ttyS0".into());
            plan.transport = Some(Transport::Nbd);
            plan
        };
        let planned = |boot| menu(&catalog).planned(&catalog, &plan(boot));
        let starts = |boot| {
            let (menu, warning) = planned(boot);
            assert_eq!(warning, None, "{boot}");
            menu.boot.of(Firmware::X64Uefi).map(str::to_owned)
        };
        assert_eq!(starts("other").as_deref(), Some("other-x86_64"));
        assert_eq!(starts("install:other").as_deref(), Some("other-x86_64"));
        assert_eq!(starts("disk"), None);
        assert_eq!(starts("menu").as_deref(), Some("live-x86_64"));
        let (menu, _) = planned("other");
        assert_eq!(menu.append, "quiet console=ttyS0");
        assert_eq!(menu.transports.all, Some(Transport::Nbd));
        assert_eq!(menu.timeout, Some(PLANNED_TIMEOUT));
        assert_eq!(planned("menu").0.timeout, None);
    }

    #[test]
    fn what_cannot_be_done_is_said_and_the_menu_is_that_of_all() {
        let catalog = catalog();
        let mut plan = Plan::default();
        plan.boot = Start::Entry("othr".into());
        let (planned, warning) = menu(&catalog).planned(&catalog, &plan);
        assert_eq!(planned.boot, menu(&catalog).boot);
        let text = warning.unwrap().text;
        assert!(text.contains("did you mean 'other'?"), "{text}");
    }
}
