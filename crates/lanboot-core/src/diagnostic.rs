//! Diagnostics: messages for the operator, each with a stable code for programs.

use serde::Serialize;

/// A message for the operator: a code for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Identifies what it is about.
    pub code: DiagnosticCode,
    /// The sentence.
    pub text: String,
    /// Name of the network interface it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Name of the image it is about, as machines know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Path of the image file or folder it is about, made printable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Diagnostic {
    /// Names the network interface it is about.
    pub fn of_interface(self, name: impl Into<String>) -> Self {
        Self {
            interface: Some(name.into()),
            ..self
        }
    }

    /// Names the image it is about.
    pub fn of_image(self, name: impl Into<String>) -> Self {
        Self {
            image: Some(name.into()),
            ..self
        }
    }

    /// Names the file or folder it is about, by its printable path.
    pub fn of_file(self, path: impl Into<String>) -> Self {
        Self {
            file: Some(path.into()),
            ..self
        }
    }
}

/// Declares the codes, with their descriptions in `docs/log-events.md`.
macro_rules! diagnostic_codes {
    ($($code:ident: $description:literal,)+) => {
        /// The stable code of a diagnostic; `snake_case` in the JSON log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum DiagnosticCode {
            $(#[doc = $description] $code,)+
        }

        impl DiagnosticCode {
            /// Every code with its description, in the order of the documentation.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$code, $description)),+];
        }
    };
}

diagnostic_codes! {
    // Images.
    ImageUnusable: "an image file cannot be served, or a folder not be read",
    FolderEmpty: "a folder has no images",
    TooManyImages: "more images than are served at once",
    ImageRenamed: "an image is known to machines by a name that is not that of its file",
    ImageLimited: "something about an image or its entries does not work, or is incomplete",
    IndexingImages: "how far a scan of the images is that takes long",
    ImagesIndexed: "a scan of the images that took long has ended",
    IndexNotKept: "what is read of slow images cannot be kept for the next start",
    ImageOverwritten: "an image was overwritten in place while machines used it",
    ImagesChanged: "the images served changed",
    NoImageLeft: "the images changed, and none is left",
    BootChoiceGone: "the image or entry of `--boot` is no longer there",
    NothingToStart: "no image served can be booted",
    NoStockMenu: "the image has no PXE menu for `--menu stock`",
    TransportUnused: "an entry cannot use the transport of `--transport`",
    RamDiskWithoutRoot: "an image would not find its root as a RAM disk (`--loader iso`)",
    // Loaders.
    NoLoader: "machines of some kinds have no loader",
    LoaderChoiceUnusable: "`--loader` selects something no image has",
    SecureBootNoLoader: "machines with Secure Boot on have nothing to start",
    SecureBootShim: "which keys the shim for machines with Secure Boot on trusts",
    SecureBootBesideServer: "machines with Secure Boot on have nothing to start beside another DHCP server",
    // How one machine boots (`planned`).
    RootTransport: "the transport of the root, where the memory of the machine matters",
    RamDiskMemory: "firmware loads the whole image into memory",
    SecureBootOn: "Secure Boot is on, and every kernel served is signed for it",
    SecureBootRejectsKernel: "Secure Boot is on and rejects kernels that are served",
    SecureBootNoImage: "Secure Boot is on, and no image served is for such machines",
    ShimRefused: "the shim was loaded twice and nothing after it: the firmware may refuse it",
    PlanUnusable: "the plan of a machine cannot be carried out",
    PlanChanged: "the plan of a machine changed by what the machine did",
    // Interfaces and ports of this host.
    Serving: "what is served, where and how",
    InterfaceUnserved: "an interface has a link and no address, and is not served",
    NetworkShared: "another interface of this host is in the network of a served one",
    XdpProgram: "an XDP program may take packets of a served interface",
    NoLink: "a served interface has no link or is switched off",
    LinkUp: "a served interface has a link again",
    InterfaceEnslaved: "a served interface became part of a bridge, bond or the like",
    InterfaceFree: "a served interface is no longer part of another",
    InterfaceReplaced: "another device has the name of a served interface",
    AddressLost: "a served interface no longer has its address",
    AddressBack: "a served interface has its address again",
    RequestsDropped: "requests arrive at an interface and do not reach their port: a firewall",
    AnswersLost: "connections do not come about: answers do not reach the machine",
    ProtocolNotServed: "NFS or NBD is not served",
    NfsRegistered: "NFS is registered with the port mapper of this host",
    NfsNotRegistered: "NFS cannot be registered with the port mapper of this host",
    BootServerPortTaken: "port 4011 (PXE boot server) is in use",
    AcceptFailed: "a connection cannot be accepted: too many open files",
    SendRetried: "this host did not send a packet of a transfer; it is sent again",
    // DHCP.
    SubnetNotServed: "a `[[subnet]]` is of an address of this host that is not served",
    SubnetWithoutRouter: "a `[[subnet]]` behind a relay has no router",
    StoredLeasesUnused: "stored leases lie outside the range",
    MachinesNotKept: "what is known of machines cannot be written",
    PlanNotKept: "a change of a machine's plan cannot be written",
    AdminUnavailable: "`lanboot machine` cannot be used",
    NoOtherServer: "no other DHCP server answers: addresses are handed out",
    NoServerForProxy: "no DHCP server answers, and addresses are not handed out (`--dhcp proxy`)",
    OtherServer: "another DHCP server hands out addresses: only the boot file is named (proxy DHCP)",
    SteppedDown: "another DHCP server answers: no more addresses are handed out",
    AnotherServer: "a further DHCP server answers",
    ConflictingServer: "another DHCP server answers, and both hand out addresses",
    OtherProxy: "another proxy DHCP server names a boot file",
    ServersProbed: "other DHCP servers are looked for again",
    ReloadIgnored: "SIGHUP changes nothing, because `--dhcp` says what to do",
    ServerProbeFailed: "other DHCP servers cannot be looked for",
    AddressProbeFailed: "whether an address is in use cannot be found out",
    AddressInUse: "an address is in use by a machine without a lease, and not offered",
    SharedHardwareAddress: "two clients have one hardware address",
    AddressConflict: "two machines use one address",
    ProxyArp: "one hardware address answers ARP for every address",
    PingsAnswered: "something answers the pings for all addresses of a network",
    RelayOptionTooLong: "option 82 of a relay does not fit into the answers",
    // The program.
    EventsLost: "events are missing in this log or in the boot progress, because it could not keep up",
    Stopping: "the program is about to stop, and why",
    Draining: "the program waits for transfers or connections to end",
    Stopped: "the program has stopped",
    TransfersInterrupted: "the program has stopped and interrupted transfers",
}

impl DiagnosticCode {
    /// Returns the diagnostic of this code with this text.
    pub fn with(self, text: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code: self,
            text: text.into(),
            interface: None,
            image: None,
            file: None,
        }
    }
}
