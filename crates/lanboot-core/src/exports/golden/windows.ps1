# Windows Server DHCP (2012 or later): boot files for machines that boot from the network.
# Made by lanboot. They load dual from 10.0.0.1.
# Run this once in PowerShell as administrator on the DHCP server.
# Run on 10.0.0.1: lanboot serve --dhcp off --append 'a b' IMAGE
# Not tested on Windows, only written after its manual: try it with one scope first.
# Options 60, 66 and 67 of the server or scope itself would reach every machine: remove them.

# For every scope; for one alone: $scope = @{ ScopeId = '192.168.0.0' }
$scope = @{}

# iPXE says its name in option 77.
Add-DhcpServerv4Class -Name 'lanboot iPXE' -Type User -Data 'iPXE'

# Options Windows must be told of; one it has already is no harm.
Add-DhcpServerv4OptionDefinition -OptionId 60 -Name 'PXEClient' -Type String -ErrorAction SilentlyContinue
Add-DhcpServerv4OptionDefinition -OptionId 209 -Name 'PXELINUX configuration file' -Type String -ErrorAction SilentlyContinue
Add-DhcpServerv4OptionDefinition -OptionId 210 -Name 'PXELINUX path prefix' -Type String -ErrorAction SilentlyContinue

# iPXE, x86 BIOS (option 93: 0)
Add-DhcpServerv4Class -Name 'lanboot ipxe-x86-bios 0' -Type Vendor -Data 'PXEClient:Arch:00000'
Add-DhcpServerv4Class -Name 'lanboot ipxe-x86-bios none' -Type Vendor -Data 'PXEClient'
Add-DhcpServerv4Policy @scope -Name 'lanboot ipxe-x86-bios' -Condition AND -UserClass EQ,'lanboot iPXE' -VendorClass EQ,'lanboot ipxe-x86-bios 0*','lanboot ipxe-x86-bios none'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot ipxe-x86-bios' -OptionId 66 -Value '10.0.0.1'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot ipxe-x86-bios' -OptionId 67 -Value 'loader/pxelinux/lpxelinux.0'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot ipxe-x86-bios' -OptionId 209 -Value 'pxelinux.cfg/default'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot ipxe-x86-bios' -OptionId 210 -Value 'http://10.0.0.1/loader/pxelinux/'

# iPXE, on whatever it runs
Add-DhcpServerv4Policy @scope -Name 'lanboot ipxe-any' -Condition AND -UserClass EQ,'lanboot iPXE'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot ipxe-any' -OptionId 66 -Value '10.0.0.1'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot ipxe-any' -OptionId 67 -Value 'http://10.0.0.1/boot.ipxe'

# UEFI HTTP Boot, x64 UEFI HTTP (option 93: 16 or 17)
Add-DhcpServerv4Class -Name 'lanboot http-x64-uefi-http 16' -Type Vendor -Data 'HTTPClient:Arch:00016'
Add-DhcpServerv4Class -Name 'lanboot http-x64-uefi-http 17' -Type Vendor -Data 'HTTPClient:Arch:00017'
Add-DhcpServerv4Class -Name 'lanboot http-x64-uefi-http none' -Type Vendor -Data 'HTTPClient'
Add-DhcpServerv4Policy @scope -Name 'lanboot http-x64-uefi-http' -Condition AND -UserClass NE,'lanboot iPXE' -VendorClass EQ,'lanboot http-x64-uefi-http 16*','lanboot http-x64-uefi-http 17*','lanboot http-x64-uefi-http none'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot http-x64-uefi-http' -OptionId 60 -Value 'HTTPClient'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot http-x64-uefi-http' -OptionId 66 -Value '10.0.0.1'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot http-x64-uefi-http' -OptionId 67 -Value 'http://10.0.0.1/loader/snponly-x86_64.efi'

# PXE, x86 BIOS (option 93: 0)
Add-DhcpServerv4Class -Name 'lanboot pxe-x86-bios 0' -Type Vendor -Data 'PXEClient:Arch:00000'
Add-DhcpServerv4Class -Name 'lanboot pxe-x86-bios none' -Type Vendor -Data 'PXEClient'
# Raspberry Pis say they are such PCs; they are known by their address.
Add-DhcpServerv4Policy @scope -Name 'lanboot pxe-x86-bios' -Condition AND -UserClass NE,'lanboot iPXE' -VendorClass EQ,'lanboot pxe-x86-bios 0*','lanboot pxe-x86-bios none' -MacAddress NE,'B827EB*','DCA632*'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot pxe-x86-bios' -OptionId 66 -Value '10.0.0.1'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot pxe-x86-bios' -OptionId 67 -Value 'loader/pxelinux/lpxelinux.0'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot pxe-x86-bios' -OptionId 209 -Value 'pxelinux.cfg/default'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot pxe-x86-bios' -OptionId 210 -Value 'http://10.0.0.1/loader/pxelinux/'

# PXE, x64 UEFI (option 93: 7 or 9 or 2 or 8)
Add-DhcpServerv4Class -Name 'lanboot pxe-x64-uefi 7' -Type Vendor -Data 'PXEClient:Arch:00007'
Add-DhcpServerv4Class -Name 'lanboot pxe-x64-uefi 9' -Type Vendor -Data 'PXEClient:Arch:00009'
Add-DhcpServerv4Class -Name 'lanboot pxe-x64-uefi 2' -Type Vendor -Data 'PXEClient:Arch:00002'
Add-DhcpServerv4Class -Name 'lanboot pxe-x64-uefi 8' -Type Vendor -Data 'PXEClient:Arch:00008'
Add-DhcpServerv4Policy @scope -Name 'lanboot pxe-x64-uefi' -Condition AND -UserClass NE,'lanboot iPXE' -VendorClass EQ,'lanboot pxe-x64-uefi 7*','lanboot pxe-x64-uefi 9*','lanboot pxe-x64-uefi 2*','lanboot pxe-x64-uefi 8*'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot pxe-x64-uefi' -OptionId 66 -Value '10.0.0.1'
Set-DhcpServerv4OptionValue @scope -PolicyName 'lanboot pxe-x64-uefi' -OptionId 67 -Value 'loader/snponly-x86_64.efi'

# Not served:
#   x86 UEFI, arm32 UEFI: there is no loader for such machines yet
