import CLinuxNet
