# MikroTik RouterOS 7.16 or later: boot files for machines that boot from the network.
# Made by lanboot. They load dual from 10.0.0.1.
# Set the name of your DHCP server below, save this as lanboot.rsc, and: /import lanboot.rsc
# Run on 10.0.0.1: lanboot serve --dhcp off --append 'a b' IMAGE
# Not tested on RouterOS, only written after its manual: try it with one machine first.
:local server "dhcp1"
:local pool [/ip dhcp-server get $server address-pool]

# The server with the files, for every network; take it back with next-server=0.0.0.0.
/ip dhcp-server network set [find] next-server=10.0.0.1
/ip dhcp-server option add name=lanboot-server code=66 value="s'10.0.0.1'"

# iPXE, x86 BIOS (option 93: 0)
/ip dhcp-server option add name=lanboot-ipxe-x86-bios-67 code=67 value="s'loader/pxelinux/lpxelinux.0'0x00"
/ip dhcp-server option add name=lanboot-ipxe-x86-bios-209 code=209 value="s'pxelinux.cfg/default'" force=yes
/ip dhcp-server option add name=lanboot-ipxe-x86-bios-210 code=210 value="s'http://10.0.0.1/loader/pxelinux/'" force=yes
/ip dhcp-server option sets add name=lanboot-ipxe-x86-bios options=lanboot-server,lanboot-ipxe-x86-bios-67,lanboot-ipxe-x86-bios-209,lanboot-ipxe-x86-bios-210
# One matcher cannot tell this from other iPXE; no line for it.

# iPXE, on whatever it runs
/ip dhcp-server option add name=lanboot-ipxe-any-67 code=67 value="s'http://10.0.0.1/boot.ipxe'0x00"
/ip dhcp-server option sets add name=lanboot-ipxe-any options=lanboot-server,lanboot-ipxe-any-67
/ip dhcp-server matcher add name=lanboot-ipxe-any server=$server address-pool=$pool code=77 matching-type=exact value="iPXE" option-set=lanboot-ipxe-any

# UEFI HTTP Boot, x64 UEFI HTTP (option 93: 16 or 17)
/ip dhcp-server option add name=lanboot-http-x64-uefi-http-67 code=67 value="s'http://10.0.0.1/loader/snponly-x86_64.efi'0x00"
/ip dhcp-server option add name=lanboot-http-x64-uefi-http-60 code=60 value="s'HTTPClient'" force=yes
/ip dhcp-server option sets add name=lanboot-http-x64-uefi-http options=lanboot-server,lanboot-http-x64-uefi-http-67,lanboot-http-x64-uefi-http-60
/ip dhcp-server matcher add name=lanboot-http-x64-uefi-http-16 server=$server address-pool=$pool code=60 matching-type=substring value="HTTPClient:Arch:00016" option-set=lanboot-http-x64-uefi-http
/ip dhcp-server matcher add name=lanboot-http-x64-uefi-http-17 server=$server address-pool=$pool code=60 matching-type=substring value="HTTPClient:Arch:00017" option-set=lanboot-http-x64-uefi-http
/ip dhcp-server matcher add name=lanboot-http-x64-uefi-http-none server=$server address-pool=$pool code=60 matching-type=exact value="HTTPClient" option-set=lanboot-http-x64-uefi-http

# PXE, x86 BIOS (option 93: 0)
/ip dhcp-server option add name=lanboot-pxe-x86-bios-67 code=67 value="s'loader/pxelinux/lpxelinux.0'0x00"
/ip dhcp-server option add name=lanboot-pxe-x86-bios-209 code=209 value="s'pxelinux.cfg/default'" force=yes
/ip dhcp-server option add name=lanboot-pxe-x86-bios-210 code=210 value="s'http://10.0.0.1/loader/pxelinux/'" force=yes
/ip dhcp-server option sets add name=lanboot-pxe-x86-bios options=lanboot-server,lanboot-pxe-x86-bios-67,lanboot-pxe-x86-bios-209,lanboot-pxe-x86-bios-210
/ip dhcp-server matcher add name=lanboot-pxe-x86-bios-0 server=$server address-pool=$pool code=60 matching-type=substring value="PXEClient:Arch:00000" option-set=lanboot-pxe-x86-bios
/ip dhcp-server matcher add name=lanboot-pxe-x86-bios-none server=$server address-pool=$pool code=60 matching-type=exact value="PXEClient" option-set=lanboot-pxe-x86-bios
# Raspberry Pis say they are such PCs, and one matcher cannot tell them apart.

# PXE, x64 UEFI (option 93: 7 or 9 or 2 or 8)
/ip dhcp-server option add name=lanboot-pxe-x64-uefi-67 code=67 value="s'loader/snponly-x86_64.efi'0x00"
/ip dhcp-server option sets add name=lanboot-pxe-x64-uefi options=lanboot-server,lanboot-pxe-x64-uefi-67
/ip dhcp-server matcher add name=lanboot-pxe-x64-uefi-7 server=$server address-pool=$pool code=60 matching-type=substring value="PXEClient:Arch:00007" option-set=lanboot-pxe-x64-uefi
/ip dhcp-server matcher add name=lanboot-pxe-x64-uefi-9 server=$server address-pool=$pool code=60 matching-type=substring value="PXEClient:Arch:00009" option-set=lanboot-pxe-x64-uefi
/ip dhcp-server matcher add name=lanboot-pxe-x64-uefi-2 server=$server address-pool=$pool code=60 matching-type=substring value="PXEClient:Arch:00002" option-set=lanboot-pxe-x64-uefi
/ip dhcp-server matcher add name=lanboot-pxe-x64-uefi-8 server=$server address-pool=$pool code=60 matching-type=substring value="PXEClient:Arch:00008" option-set=lanboot-pxe-x64-uefi

# Not served:
#   x86 UEFI, arm32 UEFI: there is no loader for such machines yet
