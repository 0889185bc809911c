//! The numbers of header tags.
//!
//! Source of all numbers: rpm 6.1, `include/rpm/rpmtag.h`. Only those that something here reads or writes have a
//! name; any other number is as good a [`Tag`].

use std::fmt;

/// The number of a header entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u32);

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        #[expect(missing_docs, reason = "the names are rpm's own, and rpm's manual says what each holds")]
        impl Tag {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

tags! {
    // Regions.
    HEADERIMAGE = 61; HEADERSIGNATURES = 62; HEADERIMMUTABLE = 63; HEADERI18NTABLE = 100;
    // Signatures and digests, numbered alike in the signature header and in the database.
    SIGSIZE = 257; SIGPGP = 259; SIGMD5 = 261; SIGGPG = 262; PUBKEYS = 266; DSAHEADER = 267; RSAHEADER = 268;
    SHA1HEADER = 269; LONGSIGSIZE = 270; LONGARCHIVESIZE = 271; SHA256HEADER = 273; VERITYSIGNATURES = 276;
    VERITYSIGNATUREALGO = 277; OPENPGP = 278; SHA3_256HEADER = 279;
    // The package.
    NAME = 1000; VERSION = 1001; RELEASE = 1002; EPOCH = 1003; SUMMARY = 1004; DESCRIPTION = 1005; BUILDTIME = 1006;
    BUILDHOST = 1007; INSTALLTIME = 1008; SIZE = 1009; VENDOR = 1011; LICENSE = 1014; PACKAGER = 1015; GROUP = 1016; URL = 1020;
    OS = 1021; ARCH = 1022; SOURCERPM = 1044; ARCHIVESIZE = 1046; RPMVERSION = 1064; SOURCEPACKAGE = 1106;
    PREFIXES = 1098; INSTPREFIXES = 1099; INSTALLCOLOR = 1127; INSTALLTID = 1128; LONGSIZE = 5009; ENCODING = 5062;
    MODULARITYLABEL = 5096; RPMFORMAT = 5114; PACKAGEDIGESTS = 5118; PACKAGEDIGESTALGOS = 5119;
    // Scriptlets.
    PREIN = 1023; POSTIN = 1024; PREUN = 1025; POSTUN = 1026; VERIFYSCRIPT = 1079; PREINPROG = 1085;
    POSTINPROG = 1086; PREUNPROG = 1087; POSTUNPROG = 1088; VERIFYSCRIPTPROG = 1091; PRETRANS = 1151;
    POSTTRANS = 1152; PRETRANSPROG = 1153; POSTTRANSPROG = 1154; PREINFLAGS = 5020; POSTINFLAGS = 5021;
    PREUNFLAGS = 5022; POSTUNFLAGS = 5023; PRETRANSFLAGS = 5024; POSTTRANSFLAGS = 5025; VERIFYSCRIPTFLAGS = 5026;
    PREUNTRANS = 5103; POSTUNTRANS = 5104; PREUNTRANSPROG = 5105; POSTUNTRANSPROG = 5106; PREUNTRANSFLAGS = 5107;
    POSTUNTRANSFLAGS = 5108;
    // Triggers.
    TRIGGERSCRIPTS = 1065; TRIGGERNAME = 1066; TRIGGERVERSION = 1067; TRIGGERFLAGS = 1068; TRIGGERINDEX = 1069;
    TRIGGERSCRIPTPROG = 1092; TRIGGERSCRIPTFLAGS = 5027; FILETRIGGERSCRIPTS = 5066; FILETRIGGERSCRIPTPROG = 5067;
    FILETRIGGERSCRIPTFLAGS = 5068; FILETRIGGERNAME = 5069; FILETRIGGERINDEX = 5070; FILETRIGGERVERSION = 5071;
    FILETRIGGERFLAGS = 5072; TRANSFILETRIGGERSCRIPTS = 5076; TRANSFILETRIGGERSCRIPTPROG = 5077;
    TRANSFILETRIGGERSCRIPTFLAGS = 5078; TRANSFILETRIGGERNAME = 5079; TRANSFILETRIGGERINDEX = 5080;
    TRANSFILETRIGGERVERSION = 5081; TRANSFILETRIGGERFLAGS = 5082; FILETRIGGERPRIORITIES = 5084;
    TRANSFILETRIGGERPRIORITIES = 5085;
    // Capabilities.
    PROVIDENAME = 1047; REQUIREFLAGS = 1048; REQUIRENAME = 1049; REQUIREVERSION = 1050; CONFLICTFLAGS = 1053;
    CONFLICTNAME = 1054; CONFLICTVERSION = 1055; OBSOLETENAME = 1090; PROVIDEFLAGS = 1112; PROVIDEVERSION = 1113;
    OBSOLETEFLAGS = 1114; OBSOLETEVERSION = 1115; ORDERNAME = 5035; ORDERVERSION = 5036; ORDERFLAGS = 5037;
    RECOMMENDNAME = 5046; RECOMMENDVERSION = 5047; RECOMMENDFLAGS = 5048; SUGGESTNAME = 5049; SUGGESTVERSION = 5050;
    SUGGESTFLAGS = 5051; SUPPLEMENTNAME = 5052; SUPPLEMENTVERSION = 5053; SUPPLEMENTFLAGS = 5054; ENHANCENAME = 5055;
    ENHANCEVERSION = 5056; ENHANCEFLAGS = 5057;
    // Files.
    OLDFILENAMES = 1027; FILESIZES = 1028; FILESTATES = 1029; FILEMODES = 1030; FILERDEVS = 1033; FILEMTIMES = 1034;
    FILEDIGESTS = 1035; FILELINKTOS = 1036; FILEFLAGS = 1037; FILEUSERNAME = 1039; FILEGROUPNAME = 1040;
    FILEVERIFYFLAGS = 1045; FILEDEVICES = 1095; FILEINODES = 1096; FILELANGS = 1097; DIRINDEXES = 1116;
    BASENAMES = 1117; DIRNAMES = 1118; FILECOLORS = 1140; FILECLASS = 1141; CLASSDICT = 1142; LONGFILESIZES = 5008;
    FILECAPS = 5010; FILEDIGESTALGO = 5011; FILESIGNATURES = 5090; FILESIGNATURELENGTH = 5091;
    // Payload.
    PAYLOADFORMAT = 1124; PAYLOADCOMPRESSOR = 1125; PAYLOADFLAGS = 1126; PAYLOADSHA256 = 5092;
    PAYLOADSHA256ALGO = 5093; PAYLOADSHA256ALT = 5097; PAYLOADSIZE = 5112; PAYLOADSIZEALT = 5113;
    PAYLOADSHA512 = 5121;
}

/// rpm's name where it has one here, else the number.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Numbers of the signature header that mean another thing in the main header.
///
/// rpm 6.1, `rpmSigTag_e`; below 1000 the numbers are those of [`Tag`].
pub mod signature {
    use super::Tag;

    /// Size of header and payload in bytes.
    pub const SIZE: Tag = Tag(1000);
    /// RSA signature over header and payload.
    pub const PGP: Tag = Tag(1002);
    /// MD5 over header and payload.
    pub const MD5: Tag = Tag(1004);
    /// DSA or EdDSA signature over header and payload.
    pub const GPG: Tag = Tag(1005);
    /// Bytes of the unpacked payload.
    pub const PAYLOADSIZE: Tag = Tag(1007);
    /// IMA signatures of the files.
    pub const FILESIGNATURES: Tag = Tag(274);
    /// Their length.
    pub const FILESIGNATURELENGTH: Tag = Tag(275);
}
